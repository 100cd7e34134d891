"""Bounds of one node as a whole: its leases, its writes, its copies; the unit last in the name.

Those that other rooms share with it are in :mod:`wrpme.limits`.
"""

from __future__ import annotations

from wrpme.limits import CONTENT_BYTES_MAX, KIB, LEASE_SECONDS, MIB

# --- frames and connections --------------------------------------------------------------------------------------
ANSWERS_BYTES_MAX = 256 * MIB
"""Of all connections together: answers that they have not taken yet; a further large one is refused as busy."""

# --- the hive ----------------------------------------------------------------------------------------------------
HEARTBEAT_SECONDS = LEASE_SECONDS / 4
SILENCE_SECONDS = LEASE_SECONDS * 3 / 4
PROMISE_SECONDS = LEASE_SECONDS * 1.2
"""Clocks may drift 5 % apart: a promise outlasts the lease that it backs."""
NEAR_MEMBERS_MAX = 128
FAR_SECONDS_PER_MEMBER = 0.004
"""In a larger hive the voters, and without a quorum all others, hear a heartbeat of those that share nothing with them
every so many seconds for each member: 250 a second, which is some 5 % of a core, however many members there are."""
REPORTS_PER_PACE = 4
"""In that time a node of a large hive reports at most so often what can wait for the next view: with 1,000 members once
a second. A few hundred of them have something to report while many join."""
CLOCK_DIFFERENCE_SECONDS_MAX = 1.0
"""Between the wall clocks of two members, before an operator is told."""
SUSPECT_NOBODY_SECONDS = 10.0
"""After its own start a proposer suspects nobody for so long."""
VOTERS_MAX = 5
DISK_SLOW_SECONDS = 0.25
"""A batch that takes longer to reach the disk, beyond what its bytes may take, is slow..."""
DISK_SLOW_BATCHES = 3
"""...and so many of them, where they are the rule,"""
DISK_LATELY_SECONDS = 30
"""within this time make a slow disk."""
RANK_SECONDS = 0.3
"""Rank among the voters delays a proposal by this much each, and two round trips; also how old an undecided acceptance
may get."""
ROUND_TRIP_SECONDS_MAX = 1.0
"""More than this is no distance: whoever answers so late hangs."""
VIEW_GAP_SECONDS = 0.2
"""Changes that can wait make at most one view in this time."""
ASK_SECONDS = 0.2
"""After so long an unanswered join, back, takeover, report or question for a view is said again,"""
ASK_SECONDS_MAX = 2.0
"""then after pauses that double up to this."""
TICK_SECONDS = 0.05
"""How often a node looks at its deadlines while something waits for time to pass."""
WAITING_LINE_SECONDS = 5.0
"""A node that waits for something says so in its log at most so often."""
CLAIM_SECONDS_MAX = 2 * LEASE_SECONDS
"""A life that asks to be known and is not heard of for so long asks no more."""
TROUBLE_SECONDS = 10.0
"""What is wrong with an address is shown for so long after it was seen last."""
SEEK_SECONDS_MIN = 2.0
SEEK_SECONDS_MAX = 300.0
"""Whom a recovery left out is looked for, after pauses that grow from the one to the other."""
PROBES_MAX = 8
"""Addresses at which a node without a quorum looks each second for others."""
OTHERS_TOLD_MAX = 16
"""Addresses of other nodes in one message about them."""
STOP_GATHER_SECONDS = 0.1
"""Planned stops that are asked for within this time go as one set: none of them takes over from another."""
EXPEL_LOOK_SECONDS = 1.0
"""How often a voter looks whether somebody has been down for longer than the grace."""
GIVERS_MAX = 16
"""A node that joins takes from so many others that have most, a sixteenth of its share from each: so all stay within
5 % of the fair share. The more give, the more arcs there are, and the more neighbours a node has, to which it sends
heartbeats. Measured with R 3 at 100 nodes: with 16 givers 10 arcs for each node, 29 neighbours, at most 4 % off the
fair share; with 24 14, 34 and 4 %; with 12 8, 26 and 6 %; with 8 5, 21 and 7 %. At 1,000 nodes 16 givers make 9 arcs
for each node and 43 neighbours, and all stay within 5 % of the share of 65 slots."""
ARCS_PER_MEMBER_MAX = 16
"""Beyond it neighbouring arcs that nothing tells apart become one."""
MOVES_PER_VIEW_MAX = 8
"""So many members join or return in one view: what a view takes to compute, and the copies that it begins, stay small
beside a lease."""
MOVING_ARCS_MAX = 768
"""As long as copies of so many arcs are under way in the whole hive, nobody else joins. A node that joins receives some
ten to thirty, so that is what two or three views of joins begin."""
OUTCOMES_KEPT = 8
"""Of proposals that were computed for one epoch and could not be made, or came to nothing."""
VIEW_PATCHES_BYTES_MIN = 64 * KIB
"""Patches of the view on disk, before it is written whole again; of a larger view as many bytes as it has itself."""
LOOK_SECONDS = 0.01
"""A voter looks at what it was asked for at most so often, however much arrives."""
REST_SECONDS = 1.0
"""How often it looks where nothing was asked for."""
CHANGE_REQUESTS_MAX = 65_536
"""Changes of the view that a voter has been asked for and that are not decided or void yet."""

# --- replication and copying -------------------------------------------------------------------------------------
PENDING_BYTES_MAX = CONTENT_BYTES_MAX
PENDING_WRITES_MAX = 65_536
"""Of one arc: writes (and their bytes, keys included) that are not acknowledged yet; further ones are refused as
busy."""
NODE_PENDING_BYTES_MAX = 4 * PENDING_BYTES_MAX
"""The same of all arcs of a node together."""
FORWARDS_MAX = 16_384
"""Requests that a node has passed on and that are not answered yet."""
FORWARD_BYTES_MAX = 2 * CONTENT_BYTES_MAX + MIB
"""Their bytes, for each other node: room for the largest request..."""
FORWARDS_BYTES_MAX = 256 * MIB
"""...and for all."""
ANSWER_BYTES_USUAL = 16 * KIB
"""An answer up to this size needs no room of its own: the number of requests in flight bounds it. A larger one is asked
for, or begun, only where there is room for it."""
LARGE_ALIASES_MAX = 1024
"""Of so many entries of other nodes a node remembers that they are larger."""
SESSION_ANSWERS_BYTES_MAX = CONTENT_BYTES_MAX
"""Of one connection: larger answers that other nodes were asked for and have not given."""
COPIES_IN_MAX = 2
COPIES_OUT_MAX = 2
COPY_RANGE_ENTRIES_MAX = 256
COPY_RANGE_BYTES_MAX = 256 * KIB
"""A range of a comparison ends at whichever comes first; a single larger entry is a range of its own."""
STREAM_BYTES_USUAL = 4 * MIB
"""A message of a stream ends with the item that reaches this."""
STREAMS_UNANSWERED_MAX = 2
"""So many messages of streams are on their way to a node, or to its disk: while one is written the next one arrives."""
STUCK_SECONDS = 10 * LEASE_SECONDS
"""A node that acknowledges other writes, but not those of one arc, counts as stuck after so long."""
STREAM_BYTES_PER_SECOND_MIN = 8 * MIB
"""What is on its way to a holder may take as long as at this rate before it counts as stuck."""
COPY_WINDOW_RANGES = 4
COPY_WINDOW_BYTES = 8 * MIB
"""Of one copy: ranges (and their bytes, as far as one range is not larger) that are compared or filled at a time."""
COPY_OUTBOX_BYTES_MAX = CONTENT_BYTES_MAX
"""Writes that an unfinished copy has not acknowledged; beyond it the copy starts again, as it can't keep up."""
COPY_RETRY_SECONDS_MIN = 0.02
COPY_RETRY_SECONDS_MAX = 0.64
"""A copy that could not go on begins again after a pause that doubles each time, until it makes progress."""
COPY_SILENCE_SECONDS = 1.0
"""What a stream had no acknowledgement of for so long is sent again; a copy that is silent for twice as long leaves its
place to others."""
VERIFY_ALIASES_MAX = 10
"""Of the entries that differ between two copies of an arc so many are named."""
REMOVED_ENTRIES_MAX = 20_000
NEARLY_FULL = 0.9
"""Of ``--bytes-max``: from there on the operator is told."""
DECLINED_SECONDS = 30.0
"""A copy that was declined as it does not fit is asked for again within this time."""
REMOVED_BYTES_MAX = 32 * MIB
"""What was removed, and half of what is there, before the disk is asked to give the space back..."""
REMOVED_ENTRIES_AT_REST_MAX = 1000
REMOVED_BYTES_AT_REST_MAX = 4 * MIB
"""...also when nothing more is removed."""
COUNTS_CHANGES_MAX = 4096
COUNTS_CHANGES_BYTES_MAX = MIB
"""Of changes of counts so many values, and so many bytes, are on the disk; then the table of 1 MiB is written anew, and
a start reads no more than both."""
WIPE_ENTRIES_MAX = 256
WIPE_BYTES_MAX = 2 * MIB
"""Entries of an arc that went elsewhere are deleted so many at a time, in one step of the loop."""
EXPIRE_ENTRIES_MAX = 128
EXPIRE_HINTS_MAX = 1024
"""In one step of the sweep so many entries are removed, and so many hints looked at: a few milliseconds."""
EXPIRE_QUEUE_MAX = 4096
"""Writes of an arc that wait for the disks of its holders; beyond it the sweep waits for them too."""
EXPIRE_SECONDS = 0.5
"""Between two looks whether anything has expired,"""
STEP_SECONDS = 0.01
"""and between two steps of work that goes on, so that heartbeats and requests are served in between."""

# --- requests ----------------------------------------------------------------------------------------------------
PAGE_ENTRIES_SCANNED_MAX = 3000
"""Aliases that are looked at for one answer: some ten milliseconds."""
PAGE_VALUES_MAX = 250
"""Of a page with contents or versions, each of which is read by itself: a few milliseconds of the loop."""
PAGE_CONTENT_BYTES_MAX = 64 * KIB
"""A larger content is not in a page; whoever scans gets it by itself, as any large content."""
SNAPSHOTS_MAX = 8
"""So many arcs a node gives as of one moment at a time. Each may keep one large content in memory."""
SNAPSHOT_IDLE_SECONDS_MAX = 60.0
"""One that nobody asks for is dropped: LevelDB keeps all that it sees, also what was removed since."""
SNAPSHOT_IDLE_SECONDS_MIN = 5.0
"""Where there are too many, one that nobody has asked for in so long gives way: a killed backup leaves some."""
PAGE_BYTES_MAX = 512 * KIB
"""A page with so many bytes of aliases and values ends."""
TAG_ENTRIES_SCANNED_MAX = 20_000
TAG_BYTES_SCANNED_MAX = 128 * MIB
"""A page in the order of the ring has to look at all entries of a tag: some tens of milliseconds of the loop. There are
no such pages of a larger tag."""
FOLLOWERS_MAX = 20_000
"""Followers of entries at one node; further ones are refused as busy."""
CHANGES_WAITING_BYTES_MAX = 16 * MIB
"""While followers are told of earlier changes so much of later ones waits, of each entry the latest; beyond it they are
to ask again."""
CHANGES_BYTES_USUAL = 256 * KIB
"""Changes are told in messages of about this size."""
REMOVE_ENTRIES_MAX = 256
REMOVE_BYTES_MAX = 2 * MIB
"""Of one step of ``remove_all``: some milliseconds."""

# --- the daemon --------------------------------------------------------------------------------------------------
STORY_LINES_MAX = 256
"""What a node remembers of its own history for ``story``."""
CLUSTER_EVENTS_KEPT = 1000
"""What a node remembers to tell it to those who watch."""
CHANGES_NAMED_MAX = 8
"""Of a view so many changes are put into words, the rest is counted."""
