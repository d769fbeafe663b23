// Which types C++ lets a call carry as bytes. refused_types.sh sets ARGS and RESULT; types that are
// not plain must not compile.
//
// SPDX-License-Identifier: MIT
#include <forkcall.h>

struct plain {
    int number;
    char text[20];
};
struct has_destructor { // as std::string and std::vector have
    ~has_destructor();
    char *text;
};
struct has_virtual {
    virtual int number() const;
};
typedef char *text_pointer;

static int run(const ARGS *, RESULT *)
{
    return 0;
}

#ifdef WITH_OPTIONS
FORKCALL_WRAP_WITH(run_in_child, run, ARGS, RESULT);
#else
FORKCALL_WRAP(run_in_child, run, ARGS, RESULT);
#endif
