from wrpme.daemon.main import main

main()
