/* CHILD: The storage of a result that travels in the pipe. */
#ifndef FC_RESULT_SMALL_RESULT_H
#define FC_RESULT_SMALL_RESULT_H

/* Results up to this size stay here and travel in the pipe, by one write. Up to it both ways take
 * the same time. Of 64 KiB the pipe cannot take all at once, so child and host wait for each other:
 * that takes 110 us more than a result of 8 bytes, and memory that both map 35 us (tests/bench). */
#define FC_SMALL_RESULT 16384U
/* The same in a child that serves other calls afterwards: the region can be handed over only
 * once. */
#define FC_KEPT_RESULT 131072U

/* The room before and behind a result for what surrounds it in the reply: see
 * child/reply_writer.h. */
#define FC_RESULT_HEAD 16U
#define FC_RESULT_TAIL 72U

/* FC_KEPT_RESULT bytes, with that room around them. */
#define fc_small_result (fc_small_result_storage + FC_RESULT_HEAD)
extern unsigned char fc_small_result_storage[FC_RESULT_HEAD + FC_KEPT_RESULT + FC_RESULT_TAIL];

#endif
