#!/bin/sh
# In C++ the decorators refuse a type that cannot travel as bytes, and tell why.
#   refused_types.sh refused_types.cc include compiler...
set -eu
source=$1
include=$2
shift 2

# try args result macro compiler...: compiles with these types, and keeps the compiler's words.
try()
{
    args=$1 result=$2 macro=$3
    shift 3
    said=$("$@" -std=c++11 -fsyntax-only -I "$include" "-DARGS=$args" "-DRESULT=$result" "-D$macro" "$source" 2>&1)
}

taken()
{
    try "$@" || {
        echo "ARGS $1, RESULT $2 ($3) should compile: $said" >&2
        exit 1
    }
}

# refused type args result macro compiler...: because of that type
refused()
{
    type=$1
    shift
    if try "$@"; then
        echo "ARGS $1, RESULT $2 ($3) should not compile" >&2
        exit 1
    fi
    case $said in
    *"forkcall: $type must be trivially copyable and no pointer"*) ;;
    *)
        echo "ARGS $1, RESULT $2 ($3) is refused for another reason: $said" >&2
        exit 1
        ;;
    esac
}

taken plain int NO_OPTIONS "$@"
taken int plain WITH_OPTIONS "$@"
refused has_destructor has_destructor plain NO_OPTIONS "$@"
refused has_destructor plain has_destructor WITH_OPTIONS "$@"
refused has_virtual plain has_virtual NO_OPTIONS "$@"
refused text_pointer text_pointer plain WITH_OPTIONS "$@"
