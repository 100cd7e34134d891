# Made by python -m tests.deploy from wrpme/options.py and wrpme/daemon/data/main.py: change them, not this file.
complete -c wrpme-data -f

function __wrpme_data_command --description 'prints the command on the line, if there is one'
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if not string match -q -- '-*' $word
            echo $word
            return
        end
    end
end

complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = ""' -a check -d 'looks at every block, entry and note of DIR, and says what is not as it must be'
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = ""' -a stats -d 'prints what DIR holds'
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = ""' -a dump -d 'writes the entries of DIR to FILE, a backup that hive_restore reads'
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = ""' -a repair -d 'makes DIR.repaired of what LevelDB can still read of DIR, for dump'
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = ""' -a compact -d 'gives the space of what was removed back'
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = ""' -a upgrade -d 'says whether this release reads DIR, and makes it so if it must'
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = ""' -l version -d 'print the version and exit'
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = ""' -s h -l help -d 'print the options and exit'
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = "check"' -a '(__fish_complete_directories)'
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = "stats"' -a '(__fish_complete_directories)'
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = "dump"' -F
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = "repair"' -a '(__fish_complete_directories)'
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = "compact"' -a '(__fish_complete_directories)'
complete -c wrpme-data -n 'test "$(__wrpme_data_command)" = "upgrade"' -a '(__fish_complete_directories)'
