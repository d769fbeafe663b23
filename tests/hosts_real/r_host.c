/* The functions of r_host.R, by .Call. */
#include "real_host.h"

#include <R.h>
#include <Rinternals.h>

SEXP r_begin(SEXP helper);
SEXP r_calls(void);
SEXP r_end(void);

SEXP r_begin(SEXP helper)
{
    return mkString(real_host_begin(CHAR(STRING_ELT(helper, 0))));
}

SEXP r_calls(void)
{
    return mkString(real_host_calls());
}

SEXP r_end(void)
{
    return mkString(real_host_end());
}
