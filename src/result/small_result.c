/* CHILD: the place of a result that travels in the pipe. It is linked last, beside child/storage.c:
 * see there. */
#include "result/small_result.h"

#include <stddef.h>

_Alignas(max_align_t) unsigned char fc_small_result_storage[FC_RESULT_HEAD + FC_SMALL_RESULT + FC_RESULT_TAIL];
