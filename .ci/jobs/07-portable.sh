# The portable files, which other systems get, instead of those for Linux. With them runs the suite
# "macos": preloaded modules make Linux behave like macOS where the two differ, and files for macOS
# alone run over stand-ins (tests/macos).
. "$CI_DIR/lib.sh"
need_build_tools
try_fork_unsafe_libraries
CC=gcc build_and_test build "${strict[@]}" -Dbuildtype=debugoptimized -Dportable=true
