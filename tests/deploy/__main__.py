"""Writes the completions and the man pages anew."""

from tests.deploy.generated import ROOT, generated

for path, text in generated().items():
    target = ROOT / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")
