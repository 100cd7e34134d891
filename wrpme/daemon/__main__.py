from wrpme.daemon.main import run

run()
