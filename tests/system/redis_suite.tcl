# Runs one unit of Redis' own tests against a server that runs already, so that each test has a result: what a test or
# a line between two tests dies of is told, and the next one begins.
#
#   tclsh redis_suite.tcl SUITE PORT[,PORT]... RESP UNIT [SKIPPED TEST]...
#
# Each connection goes to the next port; RESP is 2 or 3.
#
# It prints a line for each test: "begin", then "ok", "eased" (it passes if what is refused of EASED counts as done), or
# "fail" with the reason; "outside" is what went wrong between tests. The fields are separated by tabs.

set skipped [lassign $argv suite given_ports resp unit]
set argv {}
cd $suite

# Its procedures, without the main program below them.
set file [open tests/test_helper.tcl]
regexp {^(.*?)\n# parse arguments\n} [read $file] _ procedures
close $file
eval $procedures

set ::external 1
set ::singledb 1
set ::ignoreencoding 1
set ::ignoredigest 1
set ::denytags needs:debug
set ::host 127.0.0.1
set ::ports [split $given_ports ,]
set ::port [lindex $::ports 0]
set ::force_resp3 [expr {$resp == 3}]
set ::skipped $skipped
set ::test_server_fd none
set ::eased {}

# Server internals that tests ask for beside what they are about.
set ::EASED {{debug set-active-expire} {debug jmap} {config set} {function flush}}

rename ::redis::__dispatch__ ::redis::dispatch_strictly
proc ::redis::__dispatch__ {id method args} {
    set code [catch {::redis::dispatch_strictly $id $method {*}$args} reply]
    if {$code == 1} {
        set words [string tolower "$method [lindex $args 0]"]
        if {$words in $::EASED && [string match "ERR *" $reply] && "notify-keyspace-events" ni $args} {
            lappend ::eased $words
            return OK
        }
    }
    return -code $code $reply
}

rename redis connected_to
proc redis {{host 127.0.0.1} {port 0} args} {
    set ::ports [list {*}[lrange $::ports 1 end] [lindex $::ports 0]]
    return [connected_to $host [lindex $::ports end] {*}$args]
}

proc told {args} {
    foreach field $args {
        lappend fields [string map {\t " " \n " " \r " "} [encoding convertto utf-8 [string range $field 0 600]]]
    }
    puts [join $fields \t]
    flush stdout
}

proc send_data_packet {args} {}

# No test may start a program, or end one.
proc exec {args} {
    error "exec is not there for tests of a server that runs already"
}

# Each command of a script by itself, in the frame of the caller's caller.
proc each_command {script} {
    set command ""
    foreach line [split $script \n] {
        append command $line \n
        if {![info complete $command]} continue
        if {[catch {uplevel 2 $command} wrong] == 1} {
            told outside [string range [string trim $command] 0 60] $wrong
        }
        set command ""
    }
}

proc tags {tags script} {
    each_command $script
}

proc run_solo {name script} {
    each_command $script
}

proc start_server {options {script ""}} {
    set client [redis $::host $::port]
    lappend ::servers [dict create host $::host port $::port client $client config [dict create port $::port] \
        pid none config_file /dev/null stdout /dev/null stderr /dev/null tls-port 0 unixsocket ""]
    catch {r flushall}
    foreach {option value} $options {
        if {$option eq "overrides"} {
            foreach {name to} $value {catch {r config set $name $to}}
        }
    }
    each_command $script
    catch {[srv 0 client] close}
    set ::servers [lrange $::servers 0 end-1]
}

proc test {name script {expected undefined} {tags {}}} {
    if {$name in $::skipped} return
    told begin $name
    set ::eased {}
    set before $::redis::id
    set code [catch {uplevel 1 $script} result]
    if {$code == 1} {
        told fail $name [regsub {^assertion:} $result ""]
        while {$before < $::redis::id} {
            catch {::redis::redisHandle[incr before] close}
        }
        set server [lindex $::servers end]
        if {$server ne ""} {
            catch {[dict get $server client] close}
            dict set server client [redis]
            lset ::servers end $server
        }
    } elseif {$expected ni [list undefined $result] && ![string match $expected $result]} {
        told fail $name "expected '$expected', got '$result'"
    } elseif {$::eased ne ""} {
        told eased $name [join [lsort -unique $::eased] ", "]
    } else {
        told ok $name
    }
}

set ::curfile tests/$unit.tcl
set file [open $::curfile]
set script [read $file]
close $file
proc run_unit {script} {each_command $script}
run_unit $script
told end $unit
