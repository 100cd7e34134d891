"""The agent: what runs on another machine, in its own Python and with the standard library alone, as wrpme is not there
yet.

Its source is sent through the one channel of an SSH session (:mod:`.loader`), and after it requests, and back come
answers, as lines of JSON: a request is ``{"do": WORD, ...}``, its answer ``{"ok": {...}}`` or
``{"error": {"word": ..., "sentence": ...}}`` with one of the words of :mod:`wrpme.errors`. The agent carries out one
request at a time. ``{"do": "beat"}`` has no answer: an agent that hears nothing for ``SILENCE_SECONDS_MAX`` seconds, or
the end of its input, ends after the operation that it is in, and its lock ends with it. The first line that it writes
is ``{"hello": 1, ...}``; lines before that one come from login scripts.

=========  =====================================================================================  ============
request    with                                                                                   module
=========  =====================================================================================  ============
look       directory ("" for the usual one), nodes {name: {"address": [host, port]}}              survey
lock       directory, text, seconds                                                               lock
install    release, bundle                                                                        releases
prune      keep [release, ...]                                                                    releases
configure  name, record, run, unit (text or null)                                                 node
make_key   name, release                                                                          certificates
certify    name, trusted, certificate ("" for none), now (bool)                                   certificates
reread     name                                                                                   certificates
shown      name, address [host, port], as_next (bool), seconds                                    certificates
start      name                                                                                   node
stop       name, seconds                                                                          node
state      name                                                                                   node
ask        name, address [host, port], frames (base64), count, seconds                            relay
reach      addresses [[host, port], ...], seconds                                                 relay
log        name, offset (or null), inode, lines, bytes_max                                        node
remove     name, data (bool)                                                                      cleanup
clean      nothing                                                                                cleanup
=========  =====================================================================================  ============

:mod:`.dispatch` has this table as code; what each request answers is said with its function. All but look, shown,
state, ask, reach and log need the lock, and those that name a node mean one in the directory that was last looked at or
locked. Whatever is written is written so that an agent killed at any point leaves a state from which the same request,
given again, goes on.
"""
