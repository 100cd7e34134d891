"""Snippets of ssh_config files as people have them, and what OpenSSH makes of them.

``answers`` asks ``ssh -G``. ``python -m tests.bootstrap.ssh_config_snippets`` writes what it says to ``KEPT``, for
machines that have no ssh.
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import tempfile
from pathlib import Path

KEPT = Path(__file__).with_name("ssh_config_answers.jsonl")
ONE: tuple[str, ...] = (
    "hostname",
    "user",
    "port",
    "proxyjump",
    "proxycommand",
    "stricthostkeychecking",
    "connecttimeout",
)
ONE += ("identitiesonly", "hostkeyalias", "identityagent", "pubkeyauthentication")
ONE += ("addressfamily", "bindaddress", "compression")
ALGORITHMS = ("ciphers", "macs", "kexalgorithms", "casignaturealgorithms", "hostkeyalgorithms")
"""Options whose values ssh tells also where they are not given; its defaults are no business of ours."""
SEVERAL = ("userknownhostsfile", "globalknownhostsfile")
REFUSED = {"refused": ["yes"]}
"""The answer where ssh takes the snippet for wrong."""
DEFAULTS = {
    "hostname": ["web1"],
    "user": ["USER"],
    "port": ["22"],
    "connecttimeout": ["none"],
    "addressfamily": ["any"],
    "compression": ["no"],
    "identitiesonly": ["no"],
    "pubkeyauthentication": ["true"],
    "stricthostkeychecking": ["ask"],
    "userknownhostsfile": ["~/.ssh/known_hosts ~/.ssh/known_hosts2"],
    "globalknownhostsfile": ["/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"],
}
"""What an answer does not repeat."""
INCLUDED = {
    "more": "Host web1\n User included # comment\n",
    "ends-in-a-host": "Host other\n User wrong\n",
    "in-no-block": "User plain\nPort 2022\n",
}
"""Files that a snippet may include, as @DIR@/NAME."""

SNIPPETS: list[str] = [
    # comments
    "Port 2022 # the new one\n",
    "Port 2022 #\n",
    "User me#2\n",
    "User me #2 3\n",
    "Host web1 # and web2\n User x\n",
    "Host web2 # and web1\n User x\n",
    "Host web1#x\n User x\n",
    "# one\n   # two\n\t# three\nUser x\n",
    "HostName 10.0.0.1 # DNS is broken\n",
    "IdentityFile ~/.ssh/a # b\nIdentityFile ~/.ssh/c\n",
    "UserKnownHostsFile ~/a ~/b # ~/c\n",
    "StrictHostKeyChecking accept-new # c\n",
    "ConnectTimeout 5 # seconds\n",
    "IdentitiesOnly yes # only these\n",
    "ProxyJump gate # in Berlin\n",
    "ProxyCommand nc %h %p # no comment\n",
    "Match all # every one\n User x\n",
    "Match host web1 # and others\n User x\n",
    "HostKeyAlias other # as it was\n",
    "IdentityAgent none # no agent\n",
    "User 'a # b'\n",
    # blanks, quotes and equal signs
    "Port=2022\n",
    "Port = 2022\n",
    "Port\t=\t2022\n",
    "Port  2022   \n",
    "  User me\r\n  Port 2022\r\n",
    "\tUser\tme\n",
    "PORT 2022\nuSeR me\n",
    'User "a b"\n',
    "User 'a b'\n",
    "User a\\ b\n",
    'User "a\\"b"\n',
    "User=a=b\n",
    "User = =a\n",
    'IdentityFile = "~/.ssh/with blanks"\n',
    'UserKnownHostsFile "~/a b" ~/c\n',
    '"Port" 2022\n',
    "User me\n\n\n\nPort 7\n\f\n",
    "User a\\b\n",
    # a value that is a time, a service, a word
    "ConnectTimeout 5s\n",
    "ConnectTimeout 1m\n",
    "ConnectTimeout 1h30m\n",
    "ConnectTimeout none\n",
    "ConnectTimeout 2M\n",
    "Port ssh\n",
    "Port https\n",
    "Port 65535\n",
    "PubkeyAuthentication host-bound\n",
    "PubkeyAuthentication unbound\n",
    "PubkeyAuthentication no\n",
    "StrictHostKeyChecking off\n",
    "StrictHostKeyChecking YES\n",
    "StrictHostKeyChecking true\n",
    "IdentityFile none\n",
    "IdentityFile none\nIdentityFile ~/.ssh/a\n",
    "IdentityFile ~/.ssh/a\nIdentityFile ~/.ssh/a\nIdentityFile ~/.ssh/b\n",
    "IdentityFile %d/.ssh/%r@%h:%p\nUser me\nPort 7\n",
    "IdentityAgent $SSH_AUTH_SOCK\n",
    "GlobalKnownHostsFile none\nUserKnownHostsFile none\n",
    "GlobalKnownHostsFile /a /b\n",
    # options that are not used here, with values of all kinds
    "ServerAliveInterval 1m\nServerAliveCountMax 3\n",
    "ServerAliveInterval 30 # s\nTCPKeepAlive yes\n",
    "RekeyLimit 1G 1h\nUser x\n",
    "RekeyLimit default none\nUser x\n",
    "ControlMaster auto\nControlPath ~/.ssh/%C\nControlPersist 10m\nUser x\n",
    "ForwardAgent ~/agent\nForwardX11 yes\nForwardX11Trusted yes\nUser x\n",
    "LocalForward 8080 localhost:80\nRemoteForward 9090 localhost:90\nDynamicForward 1080\nUser x\n",
    'SendEnv LANG LC_* # locale\nSetEnv A=b C="d e"\nUser x\n',
    "LogLevel DEBUG3\nVisualHostKey yes\nHashKnownHosts yes\nUser x\n",
    "GSSAPIAuthentication no\nPreferredAuthentications publickey,password\nUser x\n",
    'RequestTTY force\nEscapeChar none\nPermitLocalCommand yes\nLocalCommand echo "%n # x"\nUser x\n',
    "AddKeysToAgent 1h\nUpdateHostKeys ask\nCheckHostIP no\nUser x\n",
    "IgnoreUnknown UseKeychain,Fancy\nUseKeychain yes\nFancy a b c # d\nUser x\n",
    "BatchMode yes\nNumberOfPasswordPrompts 1\nConnectionAttempts 3\nUser x\n",
    "IPQoS lowdelay throughput\nTunnel no\nUser x\n",
    # another encoding
    "# caf\xe9, \xfcber\nUser x\n",
    "User x # \xa4\n",
    # which lines count
    "Host web1\n User a\nHost *\n User b\n Port 7\n",
    "Host web? !web2\n User a\n",
    "Host !web1 *\n User a\n",
    "Host WEB1\n User a\n",
    'Host "web1"\n User a\n',
    "Host web1,web2\n User a\n",
    "Host=web1\n User=a\n",
    "Host a b web1 c\n User a\n",
    "Host other\n Port many\n",
    "Match host web1 user nobody\n User a\nMatch user !nobody\n Port 7\n",
    'Match exec "test a = a"\n User a\n',
    'Match exec "test %h = web1 && test %p = 22"\n User a\n',
    'Match exec "test a = b"\n User a\nMatch exec false\n User b\n',
    'Match host=web1 exec "x=1; test $x = 1" # c\n User a\n',
    "Match !exec false\n User a\n",
    'Match host web2 exec "exit 0"\n User a\n',
    "Match originalhost web1,web2\n HostName 10.0.0.1\nMatch host 10.0.*\n User a\n",
    "Match !host web2\n User a\n",
    "Match host WEB1\n User a\n",
    "User a\nMatch user a\n Port 7\n",
    "HostName 10.0.0.1\nHost 10.0.0.1\n Port 7\nMatch final\n User late\n",
    "HostName WEB9\nMatch final host web9\n User a\n",
    "Match canonical\n User a\nMatch final all\n Port 7\n",
    # names
    "HostName %h.example\n",
    "HostName %%h.example\n",
    "Host web*\n HostName %h-a.example\n Port 7\n",
    "CanonicalizeHostname yes\nHostName web1.example.com\nCanonicalDomains example\n",
    "CanonicalizeHostname yes\nUser a\n",
    "CanonicalizeHostname no # never\nCanonicalDomains example\n",
    "CanonicalizeHostname always\nHostName 10.0.0.1\nCanonicalDomains example\n",
    "CanonicalizeHostname yes\nHostName web1.a.b\nCanonicalDomains example\nHost web1.a.b\n Port 7\n",
    # the way there
    "ProxyCommand none\nProxyJump gate\n",
    "ProxyCommand none\nProxyCommand nc %h %p\n",
    "ProxyCommand nc %h %p\nProxyJump gate\n",
    "ProxyJump gate\nProxyCommand nc %h %p\n",
    "ProxyJump none\nProxyJump gate\n",
    "ProxyJump=me@gate:2200,second\n",
    "ProxyCommand=ssh -W %h:%p gate\n",
    "Host web1\n ProxyJump gate\nHost *\n ProxyJump none\n",
    "Host web1\n ProxyJump NONE\nHost *\n ProxyJump gate\n",
    'ProxyCommand sh -c "nc %h %p"\n',
    # what connections are like
    "AddressFamily inet6\nAddressFamily inet\n",
    "AddressFamily=any # c\n",
    "addressfamily INET\n",
    "AddressFamily ipv6\n",
    "BindAddress 10.0.0.9\nBindAddress 10.0.0.8\n",
    "Host web1\n BindAddress ::1\n",
    "Compression yes # c\nCompression no\n",
    "Compression=no\n",
    "Compression maybe\n",
    "Ciphers aes256-ctr,aes128-ctr\nCiphers aes128-ctr\n",
    "Host web1\n MACs hmac-sha2-512,hmac-sha2-256 # c\n",
    "KexAlgorithms=curve25519-sha256,ecdh-sha2-nistp256\n",
    'HostKeyAlgorithms "ssh-ed25519,rsa-sha2-512"\n',
    "HostKeyAlgorithms rsa-sha2-512 ssh-ed25519\n",
    "CASignatureAlgorithms ssh-ed25519,rsa-sha2-256\n",
    # other files
    "Include @DIR@/more\n",
    "Include @DIR@/more\nUser late\nPort 7\n",
    "Include @DIR@/ends-in-a-host\nUser late\n",
    "Include @DIR@/no-such-file @DIR@/in-*\nUser late\n",
    'Include "@DIR@/more" # c\n',
    "Host other\n Include @DIR@/in-no-block\n",
    "Host web1\n Include @DIR@/ends-in-a-host\n User late\n",
    # wrong for OpenSSH
    "Port 0\n",
    "Port 22#x\n",
    "Port many\n",
    'User "me\n',
    "ConnectTimeout 5x\n",
    "StrictHostKeyChecking maybe\n",
    "User a b\n",
    "Match\n User a\n",
]
NAME = "web1"


def write(snippet: str, directory: Path, path: Path) -> None:
    """Writes the snippet to that path, and the files that it may include to ``directory``."""
    for name, text in INCLUDED.items():
        (directory / name).write_text(text)
    path.write_bytes(snippet.replace("@DIR@", str(directory)).encode("latin-1"))


def plain(text: str, user: str, home: str) -> str:
    """Returns a value without what is peculiar to a user: his home is ``~``, his name ``USER``."""
    return "USER" if text == user else text.replace(f"{home}/", "~/").replace(home, "~")


def answer(snippet: str) -> dict[str, list[str]]:
    """What ``ssh -G`` says of ``NAME``: the options of ``ONE`` and ``SEVERAL``, and the identity files, if given."""
    me = pwd.getpwuid(os.getuid())
    with tempfile.TemporaryDirectory() as made:
        write(snippet, Path(made), Path(made, "config"))
        done = subprocess.run(
            ["ssh", "-G", "-F", f"{made}/config", NAME], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    if done.returncode:
        return REFUSED
    found: dict[str, list[str]] = {}
    for line in done.stdout.decode("latin-1").split("\n"):
        option, _, value = line.partition(" ")
        given = option in ALGORITHMS and option in snippet.lower()
        if option in ONE or given or option == "identityfile":
            found.setdefault(option, []).append(plain(value, me.pw_name, me.pw_dir))
        elif option in SEVERAL:
            found[option] = [plain(value, me.pw_name, me.pw_dir)]
    if any(path.endswith("id_ecdsa_sk") for path in found["identityfile"]):
        del found["identityfile"]
    return {option: values for option, values in found.items() if DEFAULTS.get(option) != values}


if __name__ == "__main__":
    KEPT.write_text("".join(json.dumps([one, answer(one)], sort_keys=True) + "\n" for one in SNIPPETS))
