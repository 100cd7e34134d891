"""Makes a key for a node and prints a signing request: ``python -m wrpme.daemon.security.signing_request PATH``.

The agent of wrpmesh runs it on the machine of the node, where the key stays. The names that a certificate is for are
decided by who signs it, so the request names nothing.
"""

from __future__ import annotations

import sys

from wrpme.files import durable


def main(arguments: list[str]) -> int:
    """Writes the key to the path, which only this user can read, and the request to standard output."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        sys.stderr.write(f"this release of wrpme makes no keys ({error}); hive_upgrade brings one that does\n")
        return 1
    (path,) = arguments
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8
    try:
        durable.write(path, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()), 0o600)
    except OSError as error:
        sys.stderr.write(f"{path} can't be written ({error.strerror})\n")
        return 1
    sys.stdout.write(request.public_bytes(serialization.Encoding.PEM).decode("ascii"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
