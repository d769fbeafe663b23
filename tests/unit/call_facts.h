/* The facts of a made-up call, and what its report then says. Each case changes the facts of a
 * child whose function was called and which has not answered. */
#ifndef CALL_FACTS_H
#define CALL_FACTS_H

#include "call/outcome.h"

#define START_SIZE 100U

extern struct fc_reply reply;
extern struct fc_ending ending;
extern struct forkcall_options options;
extern struct fc_facts facts; /* of the three above */
/* Written by decide(). The crash is a fact, too. */
extern struct forkcall_report report;
extern enum fc_decided_by by;

/* The setup of each case. */
int begin_anew(void **state);

/* Set the facts of a child whose function was called, or was not. */
void has_begun(void);
void has_not_begun(void);

/* What the kernel says: the wait status. */
void ends_by(int wait_status);
int exited(int status);

/* What the child says. */
void says(enum fc_end end, int code);
void says_in_words(const char *words);

void decide(void);
/* Decides, and checks the report. */
void expect(enum forkcall_status status, enum forkcall_ran ran, int code, const char *message);

#endif
