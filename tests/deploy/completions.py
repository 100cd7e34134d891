"""Completions for bash, zsh and fish as texts."""

from __future__ import annotations

from tests.deploy.shape import (
    ANYTHING,
    DIRECTORIES,
    FILES,
    NOTHING,
    Program,
    takes_command,
    takes_directory,
    takes_file,
    value_kind,
)
from wrpme.options import Option

_BASH = """\
# {head}
_{function}_value() {{ # COMMAND OPTION: sets kind, by which the value is completed; empty where there is none
    case "$1 $2" in
{values}
    *) kind= ;;
    esac
}}

_{function}() {{
    local before word kind pending='' command='' words=0 cur offered=''
    # Not COMP_WORDS: there an address is three words, as a colon parts words for readline.
    read -ra before <<< "${{COMP_LINE:0:COMP_POINT}}x"
    while [[ ${{#before[@]}} -gt 1 && ${{before[0]}} != "$1" ]]; do before=("${{before[@]:1}}"); done
    cur=${{before[-1]%x}}
    unset 'before[-1]'
    for word in "${{before[@]:1}}"; do
        if [[ $word == -?* ]]; then
            _{function}_value "$command" "$word"
            pending=$kind
        elif [[ -n $pending ]]; then
            pending=
        elif [[ -z $command ]]; then
            command=$word
        else
            words=$((words + 1))
        fi
    done
    COMPREPLY=()
    if [[ $cur == --*=* ]]; then
        _{function}_value "$command" "${{cur%%=*}}"
        pending=${{kind:-any}} cur=${{cur#*=}}
    elif [[ $cur == -* ]]; then
        pending=
        case $command in
{options}
        esac
        COMPREPLY=($(compgen -W "$offered" -- "$cur"))
        return
    fi
    if [[ -z $pending ]]; then
        case $command in
{words}
        esac
    fi
    case $pending in
    '' | any) ;;
    file) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); compopt -o filenames 2>/dev/null ;;
    directory) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); compopt -o filenames 2>/dev/null ;;
    *) COMPREPLY=($(compgen -W "$pending" -- "$cur")) ;;
    esac
    return 0
}}

complete -F _{function} {name}
"""


def bash(program: Program) -> str:
    """The file for bash."""
    valued: dict[str, list[str]] = {}
    offered = []
    for command, syntax in program.syntaxes():
        for option in syntax.all:
            if kind := value_kind(option):
                valued.setdefault(kind, []).extend(f'"{command} {spelling}"' for spelling in option.spellings)
        spellings = " ".join(spelling for option in syntax.all for spelling in option.spellings)
        # What begins with a dash after the first word of such a command is a content.
        until = "[[ $words -eq 0 ]] && " if command and syntax.has_command else ""
        offered.append(f"        {command or _word('')}) {until}offered={_word(spellings)} ;;")
    values = [f"    {' | '.join(spelled)}) kind={_word(kind)} ;;" for kind, spelled in valued.items()]
    names = " ".join(spec.name for spec in program.commands)
    words = [f"        '') pending={_word(names)} ;;"] if names else []
    for takes, kind in ((takes_file, FILES), (takes_command, names)):
        if found := " | ".join(spec.name for spec in program.commands if takes(spec)):
            words.append(f"        {found}) pending={_word(kind)} ;;")
    if first := " | ".join(f"{spec.name}0" for spec in program.commands if takes_directory(spec)):
        words += ["        esac", "        case $command$words in", f"        {first}) pending={DIRECTORIES} ;;"]
    return _BASH.format(
        head=program.head, function=program.identifier, name=program.name, values="\n".join(values),
        options="\n".join(offered), words="\n".join(words),
    )  # fmt: skip


def zsh(program: Program) -> str:
    """The file for zsh."""
    own = " \\\n    ".join(_zsh_option(option) for option in program.syntax.all)
    if not program.commands:
        return f"#compdef {program.name}\n# {program.head}\n\n_arguments -s -S \\\n    {own}\n"
    cases, offers = [], f"_{program.identifier}_commands"
    for spec in program.commands:
        taken = [_zsh_option(option) for option in spec.options.all]
        if takes_directory(spec):
            taken.append("'1: :_files -/'")
        if takes_file(spec):
            taken.append("'*: :_files'")
        elif takes_command(spec):
            taken.append(f"'1: :{offers}'")
        elif spec.options.all and not spec.options.has_command:
            taken.append("'*: : '")  # or options after a word were not completed
        if taken:
            dash = "-A '-*' " if spec.options.has_command else ""
            lines = " \\\n            ".join(taken)
            cases.append(f"    {spec.name})\n        _arguments -S {dash}\\\n            {lines}\n        ;;")
    described = "\n".join(f"        {_word(f'{spec.name}:{spec.summary}')}" for spec in program.commands)
    return "\n".join((
        f"#compdef {program.name}",
        f"# {program.head}",
        "",
        f"{offers}() {{",
        f"    local -a commands=(\n{described}\n    )",
        "    _describe -t commands command commands",
        "}",
        "",
        "local curcontext=$curcontext state line",
        f"_arguments -C -S -A '-*' \\\n    {own} \\\n    '1: :{offers}' \\\n    '*:: :->arguments' && return",
        "[[ $state == arguments ]] || return",
        "case $words[1] in",
        *cases,
        "esac",
        "",
    ))  # fmt: skip


def _zsh_option(option: Option) -> str:
    help = option.help
    for special in "\\[]:":
        help = help.replace(special, f"\\{special}")
    kind, action = value_kind(option), ""
    if kind:
        assert option.value is not None
        shown = option.value.shown.replace(":", "\\:")
        completed = {FILES: "_files", DIRECTORIES: "_files -/", ANYTHING: " "}.get(kind, f"({kind})")
        action = f"{'::' if option.bare is not None else ':'}{shown}:{completed}"
    excluded = "*" if option.is_repeated else f"({' '.join(option.spellings)})"
    parts = []
    for spelling in option.spellings:
        attached = ("=" if spelling.startswith("--") else "+") if kind else ""
        parts.append(_word(f"{excluded}{spelling}{attached}[{help}]{action}"))
    return " ".join(parts)


def fish(program: Program) -> str:
    """The file for fish."""
    name = program.name
    lines = [f"# {program.head}", f"complete -c {name} -f"]
    if program.commands:
        valued = " ".join(
            spelling for option in program.syntax.all if value_kind(option) for spelling in option.spellings
        )
        skipping = [f"        else if contains -- $word {valued}", "            set skip 1"] if valued else []
        lines += [
            "",
            f"function __{program.identifier}_command --description 'prints the command on the line, if there is one'",
            "    set -l skip 0",
            "    for word in (commandline -opc)[2..-1]",
            "        if test $skip = 1",
            "            set skip 0",
            *skipping,
            "        else if not string match -q -- '-*' $word",
            "            echo $word",
            "            return",
            "        end",
            "    end",
            "end",
            "",
        ]
        where = _fish_where(program, "")
        lines += [f"complete -c {name}{where} -a {spec.name} -d {_word(spec.summary)}" for spec in program.commands]
    for command, syntax in program.syntaxes():
        where = _fish_where(program, command)
        lines += [f"complete -c {name}{where} {_fish_option(option)}" for option in syntax.all]
    for spec in program.commands:
        where = _fish_where(program, spec.name)
        if takes_file(spec):
            lines.append(f"complete -c {name}{where} -F")
        elif takes_directory(spec):
            lines.append(f"complete -c {name}{where} -a '(__fish_complete_directories)'")
        elif takes_command(spec):
            lines.append(f"complete -c {name}{where} -a {_word(' '.join(one.name for one in program.commands))}")
    return "\n".join([*lines, ""])


def _fish_where(program: Program, command: str) -> str:
    if not program.commands:
        return ""
    return f' -n \'test "$(__{program.identifier}_command)" = "{command}"\''


def _fish_option(option: Option) -> str:
    words = [f"-s {spelling[1:]}" if len(spelling) == 2 else f"-l {spelling[2:]}" for spelling in option.spellings]
    kind = value_kind(option)
    if kind != NOTHING and option.bare is None:
        words.append("-r")
    if kind == FILES:
        words.append("-F")
    elif kind == DIRECTORIES:
        words.append("-a '(__fish_complete_directories)'")
    elif kind not in (NOTHING, ANYTHING):
        words.append(f"-a {_word(kind)}")
    return " ".join([*words, f"-d {_word(option.help)}"])


def _word(text: str) -> str:
    """One word for each of the three shells."""
    return "'" + text.replace("'", "'\\''") + "'"
