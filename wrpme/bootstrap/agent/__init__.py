"""What runs on the other machine, in its own Python and with nothing but the standard library: wrpme is not there yet.

Its source goes through the one channel of an SSH session (:mod:`.loader`), then requests and answers do, as lines of
JSON: a request is ``{"do": WORD, ...}``, its answer ``{"ok": {...}}`` or ``{"error": {"word": ..., "sentence": ...}}``
(the words of :mod:`wrpme.errors`). One request at a time. ``{"do": "beat"}`` has no answer: an agent that hears nothing
for ``SILENCE_SECONDS_MAX``, or the end of its input, ends after the operation that it is in, and its lock with it.
The first line that it writes is ``{"hello": 1, ...}``; what login scripts write before is no line of ours.

=========  ==========================================================================================  =========
request    with                                                                                        module
=========  ==========================================================================================  =========
look       directory ("" for the usual one), nodes {name: {"address": [host, port]}}                   survey
lock       directory, text, seconds                                                                    holding
install    release, bundle                                                                             releases
prune      keep [release, ...]                                                                         releases
configure  name, record, run, unit (text or null)                                                      keeping
start      name                                                                                        keeping
stop       name, seconds                                                                               keeping
state      name                                                                                        keeping
ask        address [host, port], frames (base64), count, seconds                                       relay
reach      addresses [[host, port], ...], seconds                                                      relay
log        name, offset (or null), inode, lines, bytes_max                                             tails
remove     name, data (bool)                                                                           clearing
clean                                                                                                  clearing
=========  ==========================================================================================  =========

What each one answers stands with the function that does it. All but look, state, ask, reach and log need the lock;
those that name a node mean one in the directory of the last look or lock. Everything that is written is written so
that an agent killed at any point leaves what the same request, given again, finishes.
"""
