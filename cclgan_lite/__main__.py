from cclgan_lite.cli import main

main()
