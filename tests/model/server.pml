/* The protocol between a host and its server (docs/server-protocol.md), as a model for spin(1).
 * run.sh runs it.
 *
 * K threads of the host make one call each. The server keeps N spares. At most LIMIT of its
 * children, zombies included, have room in the table of processes. Faults happen at any step, as
 * often as -D says: FORK_FAILURES (a fork fails although there is room), GIVE_UPS (a call stops
 * waiting), CHILD_DEATHS, SERVER_DEATHS, SERVER_STOPS (SIGSTOP, for good), HOST_DEATHS.
 *
 * What must hold:
 *  - Every call ends, with a child or with an error: none waits for ever. The monitor checks this
 *    when no process can make a step any more. The formula `ends` checks it for every run in which
 *    each process that can make a step finally makes one.
 *  - A child serves one call at a time. Once its call is over, it leaves the table, or is one of at
 *    most KEEP that wait in the host for another call: N spares remain in the end.
 *  - The host does not kill a server while a call has a child of that server.
 *
 * OLD_ERROR_READ_AS_EMPTY and OLD_ANONYMOUS_ASK select earlier protocols of the library, with one
 * fault each. These protocols starve calls. If spin did not find that, it would not find it in the
 * present protocol either. */

#ifndef N
#define N 1
#endif
#ifndef LIMIT
#define LIMIT 3
#endif
#ifndef FORK_FAILURES
#define FORK_FAILURES 0
#endif
#ifndef GIVE_UPS
#define GIVE_UPS 0
#endif
#ifndef CHILD_DEATHS
#define CHILD_DEATHS 0
#endif
#ifndef SERVER_DEATHS
#define SERVER_DEATHS 0
#endif
#ifndef SERVER_STOPS
#define SERVER_STOPS 0
#endif
#ifndef HOST_DEATHS
#define HOST_DEATHS 0
#endif
#ifndef ENDLESS
#define ENDLESS 0
#endif
#ifndef KEEP
#define KEEP 0
#endif

#ifndef K
#define K 3
#endif
#define PLACES 5 /* places in the table; those from LIMIT on are CLOSED */
#define ERROR PLACES
#define NONE 255

mtype = { FREE, CLOSED, SPARE, HANDED, TAKEN, KEPT, RELEASED };
mtype = { ASK, DONE, DROP };

mtype table[PLACES] = FREE;
/* A child that has ended keeps its place until the server reaps it. */
bool dead[PLACES];
byte made_for[PLACES] = NONE; /* the call whose ASK this child answers */
#define HAS(what) \
    (table[0] == what || table[1] == what || table[2] == what || table[3] == what || table[4] == what)

chan control = [N + K] of { byte }; /* server to host: spares */
/* Host to server: kind, call, child, taken. */
chan orders = [3 * K + CHILD_DEATHS + KEEP] of { mtype, byte, byte, byte };
chan kept = [KEEP + 1] of { byte }; /* in the host: children that wait for another call */
/* The socket for the answer to a call's ASK: a child, or ERROR. */
chan answer[K] = [1] of { byte };
/* The host's end of that socket is open. */
bool listens[K];

/* Messages that the host has taken out of control; how many of them the server knows of. */
byte taken, known;
byte refs = K, holding = 0;   /* calls that use the server; calls that have a child of it */
byte ended = 0, endless = 0;  /* calls that have ended; calls whose function never ends */
bool retired, server_is_dead, server_is_stopped, host_is_dead;

byte fork_failures = FORK_FAILURES, give_ups = GIVE_UPS, child_deaths = CHILD_DEATHS;
byte server_deaths = SERVER_DEATHS, server_stops = SERVER_STOPS, host_deaths = HOST_DEATHS;

inline find(what, place)
{
    place = 0;
    do
    :: place < PLACES && table[place] != what -> place++
    :: else -> break
    od
}

/* Makes a child by fork(2). child is ERROR if there is no room, or if fork fails for another
 * reason. */
inline fork_child(child)
{
    if
    :: HAS(FREE) -> find(FREE, child)
    :: HAS(FREE) && fork_failures > 0 -> fork_failures--; child = ERROR
    :: !HAS(FREE) -> child = ERROR
    fi
}

/* Ends the server. Its children die with it, and leave nothing to reap. */
inline end_server(p)
{
    server_is_dead = true;
    p = 0;
    do
    :: p < LIMIT -> table[p] = FREE; dead[p] = false; made_for[p] = NONE; p++
    :: else -> break
    od;
    p = 0
}

/* A call stops using the server. The last call kills a server that does not answer. */
inline unref(p)
{
    refs--;
    if
    :: refs == 0 && retired && !server_is_dead -> assert(holding == 0); end_server(p)
    :: else
    fi
}

/* Runs the function. */
#define RUN \
    if \
    :: true \
    :: endless < ENDLESS -> endless++; false \
    fi

#if defined OLD_ERROR_READ_AS_EMPTY || defined OLD_ANONYMOUS_ASK

/* ---- The old protocol ------------------------------------------------------------------------ */

/* Orders carry the number of calls that have a child or wait for one, as far as these calls have
 * reported it. The server makes as many children, and the spares. All calls wait at the control
 * socket, which also carries errors, one for each call that has asked. */
byte in_use, waiting;

proctype Call(byte me)
{
    byte child, p;
    bool waits = false;
look:
    atomic {
        if
        :: control?child
        :: empty(control) && !waits -> waits = true; waiting++; orders!ASK, me, 0, in_use + waiting; goto look
        fi
    };
    if
#ifdef OLD_ERROR_READ_AS_EMPTY
    :: child == ERROR -> goto look /* EAGAIN from the server is taken for an empty socket */
#else
    :: child == ERROR && waits -> goto over
    :: child == ERROR && !waits -> goto look
#endif
    :: child != ERROR
    fi;
    table[child] = TAKEN;
    if
    :: waits -> waits = false; waiting--
    :: else
    fi;
    in_use++; /* from taking the child until here, the call is not counted */
    RUN;
    atomic { in_use--; orders!DONE, me, child, in_use + waiting };
over:
    atomic {
        if
        :: waits -> waiting--
        :: else
        fi;
        ended++
    }
}

proctype Server()
{
    byte asked = 0, wanted = N, made = 0, p = 0, child, who, count;
    mtype kind;
end:
    do
    :: atomic {
            orders?kind, who, child, count;
            if
            :: kind == ASK -> asked++
            :: kind == DONE -> table[child] = FREE; made--
            fi;
            wanted = count + N
        }
    :: atomic {
            empty(orders) && made < wanted && wanted > 0 -> fork_child(child);
            if
            :: child != ERROR ->
                table[child] = SPARE; made++; control!child;
                if
                :: asked > 0 -> asked--
                :: else
                fi
            :: child == ERROR ->
                do
                :: asked > 0 -> asked--; control!ERROR
                :: else -> break
                od;
                wanted = 0
            fi
        }
    /* The server believes that each call has a child. */
    :: atomic { empty(orders) && made >= wanted && asked > 0 -> asked = 0 }
    od
}

#else

/* ---- The host -------------------------------------------------------------------------------- */

/* Sends an order. If the socket is full, the order waits. */
#define SEND(kind, child, count) \
    if \
    :: orders!kind, me, child, count \
    :: server_is_dead \
    fi

/* Ends all kept children: the server is retired, or their room is needed. */
#define END_KEPT \
    do \
    :: kept?child -> \
        if \
        :: !server_is_dead -> table[child] = TAKEN; orders!DONE, me, child, taken \
        :: server_is_dead \
        fi \
    :: empty(kept) -> break \
    od

/* Closes the socket for the answer. A later answer is lost. */
#define CLOSE_ANSWER \
    listens[me] = false; \
    if \
    :: answer[me]?_ \
    :: empty(answer[me]) \
    fi

proctype Call(byte me)
{
    byte child = NONE, count = 0, p = 0;
    bool asked = false, is_spare = false;

    {
    skip;
look:
    atomic {
        if
        :: retired -> goto over /* the call gets another server */
        /* Only some calls may have a kept child, so a call may also pass this by. */
        :: !retired && nempty(kept) -> kept?child; goto again
        :: !retired && nempty(control) -> control?child; taken++; is_spare = true; goto got
        :: !retired && empty(control) && server_is_dead -> goto over
        :: !retired && empty(control) && !server_is_dead
        fi;
        listens[me] = true;
        asked = true;
        count = taken
    };
    /* A later step: meanwhile other orders may report more. */
    atomic { SEND(ASK, 0, count); count = 0 };
wait:
    atomic {
        if
        :: answer[me]?child -> asked = false; is_spare = false
        :: control?child -> taken++; is_spare = true
        :: server_is_dead && empty(answer[me]) && empty(control) -> asked = false; goto leave
        :: give_ups > 0 -> give_ups--; goto leave
        /* The deadline passes while the server is silent. */
        :: server_is_stopped -> retired = true; END_KEPT; child = NONE; goto leave
        fi;
        if
        /* That spare had taken the room. */
        :: child == ERROR && nempty(control) -> control?child; taken++; is_spare = true
        :: child == ERROR && empty(control) && nempty(kept) -> END_KEPT; child = NONE; asked = false; goto look
        :: child == ERROR && empty(control) && empty(kept) -> goto leave
        :: child != ERROR
        fi
    };
    goto got;
again:
    atomic {
        if
        :: server_is_dead -> goto leave
        :: else -> assert(table[child] == KEPT); table[child] = TAKEN
        fi;
        if
        :: dead[child] -> SEND(DONE, child, taken); child = NONE; goto look
        :: else -> holding++; goto runs
        fi
    };
got:
    atomic {
        if
        :: server_is_dead -> goto leave
        :: else -> assert(table[child] == SPARE || table[child] == HANDED); table[child] = TAKEN
        fi;
        if
        :: is_spare && dead[child] -> goto bury
        :: else -> holding++
        fi;
        is_spare = false;
        CLOSE_ANSWER
    };
    atomic {
        if
        :: asked -> asked = false; SEND(DROP, 0, taken)
        :: else
        fi
    };
runs:
    RUN; /* the reply or the kernel tells that the child has ended */
    atomic {
        holding--;
        if
        :: !retired && !server_is_dead && len(kept) < KEEP -> table[child] = KEPT; kept!child
        :: SEND(DONE, child, taken)
        fi
    };
    goto over;
bury: /* the spare died while it waited: the call takes the next one */
    atomic {
        SEND(DONE, child, taken);
        child = NONE;
        if
        :: asked -> goto wait
        :: else -> goto look
        fi
    };
leave:
    atomic {
        CLOSE_ANSWER;
        if
        :: asked -> asked = false; SEND(DROP, 0, taken)
        :: else
        fi
    };
over:
    atomic { unref(p); ended++; child = 0 }
    } unless { host_is_dead }
}

/* ---- The server ------------------------------------------------------------------------------ */

chan asks = [K + 1] of { byte }; /* the calls that have no answer yet */

proctype Server()
{
    byte sent = 0, p = 0, who = 0, child = 0, count = 0;
    bool rests = false; /* the last attempt to make a spare failed */
    bool waits = false; /* there was no room for the first of asks, but there will be */
    mtype kind;

    {
    skip;
end:
    do
    :: atomic { /* first the calls that wait for a child: the fork */
            nempty(asks) && !waits -> asks?<who>;
            if
            :: listens[who] -> fork_child(child)
            :: !listens[who] -> child = NONE
            fi
        };
        atomic { /* a later step: the answer */
            if
            :: child == ERROR && HAS(RELEASED) -> waits = true
            :: else ->
                asks?who;
                if
                :: child == NONE
                :: child == ERROR && listens[who] -> answer[who]!ERROR
                :: child == ERROR && !listens[who]
                :: child < PLACES && listens[who] -> table[child] = HANDED; made_for[child] = who; answer[who]!child
                :: child < PLACES && !listens[who] && sent - known < N -> table[child] = SPARE; control!child; sent++
                :: child < PLACES && !listens[who] && sent - known >= N -> table[child] = RELEASED
                fi
            fi;
            child = 0; who = 0
        }
    :: atomic { /* then the host's orders */
            (empty(asks) || waits) && nempty(orders) -> orders?kind, who, child, count;
            if
            :: count > known -> known = count
            :: else
            fi;
            if
            :: kind == ASK -> asks!who
            :: kind == DONE -> assert(table[child] == TAKEN); table[child] = RELEASED; rests = false
            :: kind == DROP ->
                if
                :: asks??[eval(who)] -> asks??eval(who); waits = false
                :: else
                fi;
                p = 0;
                do
                :: p < PLACES && !(made_for[p] == who && table[p] == HANDED) -> p++
                :: else -> break
                od;
                if
                :: p < PLACES -> table[p] = RELEASED
                :: else
                fi;
                rests = false
            fi;
            child = 0; p = 0; who = 0; count = 0
        }
    :: atomic { /* then the spares */
            (empty(asks) || waits) && empty(orders) && sent - known < N && !rests -> fork_child(child);
            if
            :: child == ERROR -> rests = true
            :: child != ERROR -> table[child] = SPARE; control!child; sent++
            fi;
            child = 0
        }
    /* The timer; without room, a spare would fail again. */
    :: atomic { rests && HAS(FREE) -> rests = false }
    :: atomic { /* a released child ends and is reaped */
            HAS(RELEASED) -> find(RELEASED, p);
            table[p] = FREE; dead[p] = false; made_for[p] = NONE; waits = false; p = 0
        }
    od
    } unless { server_is_dead || server_is_stopped || host_is_dead }
}

#endif

/* ---- Faults, and what must hold -------------------------------------------------------------- */

#if SERVER_DEATHS + SERVER_STOPS + HOST_DEATHS + CHILD_DEATHS > 0
proctype Trouble()
{
    byte p = 0;
end:
    do
    /* The server notices it and ends. */
    :: atomic { host_deaths > 0 -> host_deaths--; host_is_dead = true; end_server(p) }
    :: atomic { server_deaths > 0 && !server_is_dead -> server_deaths--; end_server(p) }
    :: atomic { server_stops > 0 && !server_is_dead -> server_stops--; server_is_stopped = true }
    :: atomic {
            child_deaths > 0 && (HAS(SPARE) || HAS(HANDED) || HAS(TAKEN) || HAS(KEPT)) -> child_deaths--;
            if
            :: HAS(SPARE) -> find(SPARE, p)
            :: HAS(HANDED) -> find(HANDED, p)
            :: HAS(TAKEN) -> find(TAKEN, p)
            :: HAS(KEPT) -> find(KEPT, p)
            fi;
            dead[p] = true; p = 0
        }
    od
}
#endif

/* Checks the state once no process can make a step any more. */
proctype Monitor()
{
    byte p = 0, spares = 0, waiting_for_calls = 0;
    timeout ->
    atomic {
        if
        :: host_is_dead
        :: else ->
            assert(ended + endless == K);
#if !defined OLD_ERROR_READ_AS_EMPTY && !defined OLD_ANONYMOUS_ASK
            assert(server_is_dead || holding == endless);
            do
            :: p < LIMIT ->
                if
                :: table[p] == SPARE -> spares++
                :: table[p] == KEPT -> waiting_for_calls++
                :: else -> assert(table[p] == FREE || (table[p] == TAKEN && endless > 0) || server_is_stopped)
                fi;
                p++
            :: else -> break
            od;
            /* A call that runs on has not yet reported the spare that it has taken. */
            spares = spares + taken - known;
            assert(server_is_dead || server_is_stopped || spares == N || (spares < N && !HAS(FREE)));
            assert(server_is_dead || waiting_for_calls == len(kept));
            assert(server_is_dead || server_is_stopped || len(control) + taken - known == spares)
#endif
        fi
    }
}

init
{
    byte i = LIMIT;
    atomic {
        do
        :: i < PLACES -> table[i] = CLOSED; i++
        :: else -> break
        od;
        run Server();
        for (i : 0 .. K - 1) {
            run Call(i)
        };
#if SERVER_DEATHS + SERVER_STOPS + HOST_DEATHS + CHILD_DEATHS > 0
        run Trouble();
#endif
        run Monitor()
    }
}

ltl ends { <>(ended + endless == K || host_is_dead) }
