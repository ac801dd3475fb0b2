/*
 * Intertie's consensus for the model checker Spin: the rules of ../README.md, cited by number, for
 * four validators of which one is Byzantine. README.md beside this file says what is left out and
 * why that is sound, how to run it and how to read a trace; check.sh runs it all.
 *
 * Switches (-D):
 *   VIEWS=2, 3 or 4      views 1 to that; 3 if not given
 *   BYZANTINE_VIEW=1..4  which view the Byzantine validator leads; any if not given
 *   REDUCED              fewer states for the correct rules: see README.md
 *   AGREEMENT_ONLY       of all properties only P1: shows whether a bug breaks the chain itself
 *   GOAL=1..5            a state that must be reachable
 *   one planted bug      FINALIZE_AFTER_NULLIFY, NULLIFY_NOT_PERSISTED, NOTARIZE_NOT_PERSISTED,
 *                        SEND_BEFORE_SYNC, PARENT_ACROSS_GAP, QUORUM_TOO_SMALL
 */
#ifndef VIEWS
#define VIEWS 3
#endif
#if defined(NULLIFY_NOT_PERSISTED) || defined(NOTARIZE_NOT_PERSISTED) || defined(SEND_BEFORE_SYNC)
#define LOSES_VOTES
#endif

/* ------------------------------------------------------------------------------- the state */

/* A block is 2 * view + variant, A or B. The genesis, block 0, stands for view 0. */
#define A 0
#define B 1
#define GENESIS 0
#define NONE 255
#define BLOCK(v, x) (2 * (v) + (x))
#define VIEW_OF(block) ((block) / 2)

/* Each block's parent; NONE while no honest validator has signed the block. */
byte parent[2 * VIEWS + 2] = NONE;

/* Three honest validators, numbered in the order of their turns; the fourth is Byzantine and leads
   this view. It has no state: every vote of it may reach anyone at any time. */
#define HONEST 3
byte byzantineView;

/* What one validator signed in one view, as bits; for a block's vote the variant is added. */
#define NOTARIZE 0
#define NULLIFY 2
#define FINALIZE 3
#define BITS 5
#define PLACE(v) (BITS * (v))
#define BIT(n) (1 << (n))
#define EITHER(n) (3 << (n))

/* Own votes in memory, which the next vote has to obey. */
int memory[HONEST];
/* The latest view that a validator has acted in, or has entered by its own certification. */
byte view[HONEST] = 1;

#ifdef REDUCED
/* As P7 says, and is checked without this switch, the three are one. */
#define journal memory
#define sent memory
#define journalView view
#else
/* What a restart brings back (rules 9 and 10). */
int journal[HONEST];
byte journalView[HONEST] = 1;
/* What has ever left. It never shrinks, and anyone may have received any part of it. */
int sent[HONEST];
#endif

#define HAS(i, v, bits) ((memory[i] >> PLACE(v)) & (bits))
#define SENT(i, v, n) ((sent[i] >> (PLACE(v) + (n))) & 1)

/* ------------------------------------------------------------------------------ certificates */

#ifdef QUORUM_TOO_SMALL
#define QUORUM 2
#else
#define QUORUM 3
#endif

/* A quorum has signed: the honest ones who did, and the Byzantine one. */
#define CERTIFICATE(v, n) (SENT(0, v, n) + SENT(1, v, n) + SENT(2, v, n) + 1 >= QUORUM)
#define NOTARIZED(v, x) CERTIFICATE(v, NOTARIZE + (x))
#define NULLIFIED(v) CERTIFICATE(v, NULLIFY)
#define FINALIZED(v, x) CERTIFICATE(v, FINALIZE + (x))
#define FINAL(v) (FINALIZED(v, A) || FINALIZED(v, B))

/* Rule 4: validator i has certified the block, or may have. To certify is to finalize, but for one
   that has nullified the view or has seen its leader equivocate. Rule 7: or it knows that the block
   is final. */
#define CERTIFIED(i, v, x) (HAS(i, v, BIT(FINALIZE + (x))) || FINALIZED(v, x) \
  || (NOTARIZED(v, x) && !HAS(i, v, EITHER(FINALIZE)) \
    && (HAS(i, v, BIT(NULLIFY)) || (v) == byzantineView)))

/* ------------------------------------------------------------------------------------ guards */

/* Rules 4, 6, 7 and 11: what lets validator i into view v. */
#define ENTRY(i, v) \
  (NULLIFIED((v) - 1) || CERTIFIED(i, (v) - 1, A) || CERTIFIED(i, (v) - 1, B))
/* It enters with its first vote there, and nobody goes back to vote in an earlier view. */
#define IS_IN(i, v) (view[i] == (v) || (view[i] < (v) && ENTRY(i, v)))

/* Rule 3: in its current view a validator that has neither notarized nor nullified there. */
#define MAY_NOTARIZE(i, v) (!HAS(i, v, EITHER(NOTARIZE) | BIT(NULLIFY)) && IS_IN(i, v))

/* Rules 2 and 3: the parent p is certified here and every view between is nullified. */
#define SKIPPED(w, p, v) ((w) <= VIEW_OF(p) || (w) >= (v) || NULLIFIED(w))
#define NO_GAP(p, v) (SKIPPED(1, p, v) && SKIPPED(2, p, v) && SKIPPED(3, p, v))
#ifdef PARENT_ACROSS_GAP
#define MAY_SKIP(p, v) true
#else
#define MAY_SKIP(p, v) NO_GAP(p, v)
#endif
#define EXTENDS(i, p, v) \
  (((p) == GENESIS || CERTIFIED(i, VIEW_OF(p), (p) & 1)) && MAY_SKIP(p, v))

/* Rule 2: round robin. */
#define LEADER(v) ((v) < byzantineView -> (v) - 1 : (v) - 2)
#define LEADS(i, v) ((v) != byzantineView && LEADER(v) == (i))
/* Rule 2: no view above the parent's that this leader has certified for certain; and if it was its
   own certification that let it in, then it builds on that. */
#define PASSES(i, w, p, v) ((w) <= VIEW_OF(p) || (w) >= (v) || !HAS(i, w, EITHER(FINALIZE)))
#ifdef REDUCED
#define IS_HIGHEST(i, p, v) true
#else
#define IS_HIGHEST(i, p, v) ((VIEW_OF(p) == (v) - 1 || NULLIFIED((v) - 1) || FINAL((v) - 1)) \
  && PASSES(i, 1, p, v) && PASSES(i, 2, p, v) && PASSES(i, 3, p, v))
#endif
/* Variant B of a block comes after A: the names are ours. */
#define IS_NEW(v, x) (parent[BLOCK(v, x)] == NONE && ((x) == A || parent[BLOCK(v, A)] != NONE))
/* Only one that has forgotten its block makes another. */
#ifdef REDUCED
#define MAY_FORGET(v) false
#else
#define MAY_FORGET(v) (parent[BLOCK(v, A)] != NONE)
#endif

/* Rules 4 and 5. */
#ifdef FINALIZE_AFTER_NULLIFY
#define FORBIDS_FINALIZE EITHER(FINALIZE)
#else
#define FORBIDS_FINALIZE (EITHER(FINALIZE) | BIT(NULLIFY))
#endif
#define FORBIDS_NULLIFY (EITHER(FINALIZE) | BIT(NULLIFY))

/* Rule 9: what of a vote reaches the journal. Certificates always do, and with them the view. */
#ifdef NOTARIZE_NOT_PERSISTED
#define KEPT_NOTARIZE(x) 0
#else
#define KEPT_NOTARIZE(x) BIT(NOTARIZE + (x))
#endif
#ifdef NULLIFY_NOT_PERSISTED
#define KEPT_NULLIFY 0
#else
#define KEPT_NULLIFY BIT(NULLIFY)
#endif

/* -------------------------------------------------------------------------------- properties */

/* Used within a step only; zero between steps, so that they make no states. */
byte w;
byte block;
byte final;
int other;

#define MUST(name, condition) \
  if \
  :: !(condition) -> printf(name); assert(false) \
  :: else \
  fi

#ifdef AGREEMENT_ONLY
#define MUST_TOO(name, condition) skip
#else
#define MUST_TOO(name, condition) MUST(name, condition)
#endif

inline checkVotes(i) {
  w = 1;
  do
  :: w <= VIEWS ->
     MUST_TOO("broken: P5, two notarizes of a view\n",
       !(SENT(i, w, NOTARIZE + A) && SENT(i, w, NOTARIZE + B)));
     MUST_TOO("broken: P5, two finalizes of a view\n",
       !(SENT(i, w, FINALIZE + A) && SENT(i, w, FINALIZE + B)));
     MUST_TOO("broken: P6, nullify and finalize of a view\n",
       !(SENT(i, w, NULLIFY) && (SENT(i, w, FINALIZE + A) || SENT(i, w, FINALIZE + B))));
     w++
  :: else -> break
  od;
#ifndef LOSES_VOTES
  MUST_TOO("broken: P7, a vote that is not durable\n",
    memory[i] == journal[i] && sent[i] == journal[i]);
#endif
  w = 0
}

inline checkCertificates() {
  final = GENESIS;
  w = 1;
  do
  :: w <= VIEWS ->
     MUST_TOO("broken: P3, two notarized blocks in a view\n",
       !(NOTARIZED(w, A) && NOTARIZED(w, B)));
     MUST_TOO("broken: P2, a view finalised and nullified\n", !(NULLIFIED(w) && FINAL(w)));
     MUST("broken: P1, two final blocks in a view\n", !(FINALIZED(w, A) && FINALIZED(w, B)));
     if
     :: FINAL(w) ->
        block = (FINALIZED(w, A) -> BLOCK(w, A) : BLOCK(w, B));
        MUST_TOO("broken: P4, final without a notarization\n", NOTARIZED(w, block & 1));
        /* Down the chain, which must lead to the final block below. */
        do
        :: VIEW_OF(block) > VIEW_OF(final) ->
           MUST_TOO("broken: P4, a gap that is not nullified\n",
             NO_GAP(parent[block], VIEW_OF(block)));
           block = parent[block]
        :: else -> break
        od;
        MUST("broken: P1, two final blocks that conflict\n", block == final);
        final = (FINALIZED(w, A) -> BLOCK(w, A) : BLOCK(w, B))
     :: else
     fi;
     w++
  :: else -> break
  od;
  w = 0;
  block = 0;
  final = 0
}

/* States that must be reachable, so that the properties do not hold for want of blocks. */
#if GOAL == 1
#define GOAL_MET FINALIZED(1, A)
#elif GOAL == 2
#define GOAL_MET (FINALIZED(1, A) && FINALIZED(2, A) && FINALIZED(3, A))
#elif GOAL == 3
#define GOAL_MET (FINALIZED(3, A) && parent[BLOCK(3, A)] == GENESIS)
#elif GOAL == 4
#define GOAL_MET (NULLIFIED(1) && FINALIZED(2, A) && parent[BLOCK(2, A)] == BLOCK(1, A))
#elif GOAL == 5
#define GOAL_MET (FINALIZED(3, B) && parent[BLOCK(3, B)] == BLOCK(1, A) && FINALIZED(1, A) \
  && SENT(0, 3, NOTARIZE + A) + SENT(1, 3, NOTARIZE + A) + SENT(2, 3, NOTARIZE + A) > 0)
#else
#define GOAL_MET false
#endif

/* ------------------------------------------------------------------------------------- steps */


#ifdef REDUCED
/* Validators that are not to lead any more are alike: they stand in the order of their votes. */
#define IS_TO_LEAD_IN(i, v) (LEADS(i, v) && parent[BLOCK(v, A)] == NONE)
#if VIEWS == 2
#define IS_TO_LEAD(i) (IS_TO_LEAD_IN(i, 1) || IS_TO_LEAD_IN(i, 2))
#elif VIEWS == 3
#define IS_TO_LEAD(i) (IS_TO_LEAD_IN(i, 1) || IS_TO_LEAD_IN(i, 2) || IS_TO_LEAD_IN(i, 3))
#else
#define IS_TO_LEAD(i) (IS_TO_LEAD_IN(i, 1) || IS_TO_LEAD_IN(i, 2) || IS_TO_LEAD_IN(i, 3) \
  || IS_TO_LEAD_IN(i, 4))
#endif
#define SWAP(array, i, j) other = array[i]; array[i] = array[j]; array[j] = other
#define ORDER(i, j) \
  if \
  :: memory[i] > memory[j] && !IS_TO_LEAD(i) && !IS_TO_LEAD(j) -> \
     SWAP(memory, i, j); \
     SWAP(view, i, j) \
  :: else \
  fi

/* Steps that only add evidence, and take no other step from anyone, are taken at once. */
byte a;
byte b;
byte isChanged;
#define IS_DUE(i, v) (view[i] == (v) && !HAS(i, v, EITHER(NOTARIZE) | BIT(NULLIFY)) \
  && (v) != byzantineView && parent[BLOCK(v, A)] != NONE && EXTENDS(i, parent[BLOCK(v, A)], v))
#define IS_LATE(i, v, x) (view[i] > (v) && NOTARIZED(v, x) && !HAS(i, v, FORBIDS_FINALIZE))

inline settle() {
  isChanged = 1;
  do
  :: isChanged ->
     isChanged = 0;
     a = 0;
     do
     :: a < HONEST ->
        b = 1;
        do
        :: b <= VIEWS ->
           if
           :: IS_DUE(a, b) ->
              memory[a] = memory[a] | (BIT(NOTARIZE + A) << PLACE(b));
              isChanged = 1
           :: IS_LATE(a, b, A) ->
              memory[a] = memory[a] | (BIT(FINALIZE + A) << PLACE(b));
              isChanged = 1
           :: IS_LATE(a, b, B) ->
              memory[a] = memory[a] | (BIT(FINALIZE + B) << PLACE(b));
              isChanged = 1
           :: view[a] == b && HAS(a, b, BIT(NULLIFY)) && ENTRY(a, b + 1) ->
              view[a] = b + 1;
              isChanged = 1
           :: else
           fi;
           b++
        :: else -> break
        od;
        a++
     :: else -> break
     od
  :: else -> break
  od;
  a = 0;
  b = 0
}
#endif

/* The step that a rule has chosen: in view `voted` a validator signs `bits`, of which the journal
   keeps `kept`, and then is in view `next`. */
byte voted;
byte bits;
byte kept;
byte next;
#define STEP(v, signed, durable, then) voted = v; bits = signed; kept = durable; next = then

/* A crash before the commit is a step that did not happen; a crash after it is the one in
   Validator, because what has left may take any time to arrive. */
inline step(i) {
#ifdef SEND_BEFORE_SYNC
  /* Only the step before this one is durable by now. */
  journal[i] = memory[i];
  journalView[i] = view[i];
#endif
  memory[i] = memory[i] | (bits << PLACE(voted));
  sent[i] = sent[i] | (bits << PLACE(voted));
  view[i] = (view[i] > next -> view[i] : next);
#ifndef SEND_BEFORE_SYNC
  journal[i] = journal[i] | (kept << PLACE(voted));
  journalView[i] = view[i];
#endif
  STEP(0, 0, 0, 0);
  checkVotes(i);
#ifdef REDUCED
  settle();
#endif
  checkCertificates();
  MUST("reached\n", !GOAL_MET);
#ifdef REDUCED
  ORDER(0, 1);
  ORDER(1, 2);
  ORDER(0, 1);
#endif
  other = 0
}

/* ------------------------------------------------------------------------------------- rules */

/* Rule 2: the leader makes a block, which is durable with its own notarize before both leave. */
#define PROPOSE(v, x, p) \
  :: d_step { LEADS(i, v) && IS_NEW(v, x) && ((x) == A || MAY_FORGET(v)) \
       && MAY_NOTARIZE(i, v) && EXTENDS(i, p, v) && IS_HIGHEST(i, p, v) -> \
     printf("%d, rule 2: proposes block %d on block %d\n", i, BLOCK(v, x), p); \
     parent[BLOCK(v, x)] = p; \
     STEP(v, BIT(NOTARIZE + (x)), KEPT_NOTARIZE(x), v) }

/* Rule 3, for a block of the Byzantine leader that is new: it names what parent it likes. */
#define NOTARIZE_NEW(v, x, p) \
  :: d_step { (v) == byzantineView && IS_NEW(v, x) && MAY_NOTARIZE(i, v) && EXTENDS(i, p, v) -> \
     printf("%d, rule 3: notarizes the Byzantine block %d on block %d\n", i, BLOCK(v, x), p); \
     parent[BLOCK(v, x)] = p; \
     STEP(v, BIT(NOTARIZE + (x)), KEPT_NOTARIZE(x), v) }

/* Rule 3, for a block that somebody has voted for already. */
#define NOTARIZE_KNOWN(v, x) \
  :: d_step { parent[BLOCK(v, x)] != NONE && MAY_NOTARIZE(i, v) \
       && EXTENDS(i, parent[BLOCK(v, x)], v) -> \
     printf("%d, rule 3: notarizes block %d\n", i, BLOCK(v, x)); \
     STEP(v, BIT(NOTARIZE + (x)), KEPT_NOTARIZE(x), v) }

/* Rule 4, and rule 6 for a view that is over: certifies, enters the next view and finalizes. */
#define CERTIFY(v, x) \
  :: d_step { !HAS(i, v, FORBIDS_FINALIZE) && (NOTARIZED(v, x) || FINALIZED(v, x)) -> \
     printf("%d, rule 4: certifies and finalizes block %d\n", i, BLOCK(v, x)); \
     STEP(v, BIT(FINALIZE + (x)), BIT(FINALIZE + (x)), (v) + 1) }

/* Rules 1 and 5: any timer may end at any time. */
#define TIME_OUT(v) \
  :: d_step { !HAS(i, v, FORBIDS_NULLIFY) && IS_IN(i, v) -> \
     printf("%d, rule 5: nullifies view %d\n", i, v); \
     STEP(v, BIT(NULLIFY), KEPT_NULLIFY, v) }

#define ON(RULE, v, p) RULE(v, A, p) RULE(v, B, p)
#define ON_VIEW(RULE, v, w) ON(RULE, v, BLOCK(w, A)) ON(RULE, v, BLOCK(w, B))
#define PARENTS_1(RULE, v) ON(RULE, v, GENESIS)
#define PARENTS_2(RULE, v) PARENTS_1(RULE, v) ON_VIEW(RULE, v, 1)
#define PARENTS_3(RULE, v) PARENTS_2(RULE, v) ON_VIEW(RULE, v, 2)
#define PARENTS_4(RULE, v) PARENTS_3(RULE, v) ON_VIEW(RULE, v, 3)
#define RULES(v) \
  PARENTS_##v(PROPOSE, v) \
  PARENTS_##v(NOTARIZE_NEW, v) \
  NOTARIZE_KNOWN(v, A) NOTARIZE_KNOWN(v, B) \
  CERTIFY(v, A) CERTIFY(v, B) \
  TIME_OUT(v)

proctype Validator(byte i) {
end:
  do
  :: atomic {
       if
       RULES(1)
       RULES(2)
#if VIEWS > 2
       RULES(3)
#endif
#if VIEWS > 3
       RULES(4)
#endif
       fi;
       d_step { step(i) }
     }
  /* Rule 10: a crash at any time; memory is what the journal brings back. */
  :: d_step { memory[i] != journal[i] ->
       printf("%d, rule 10: crashes and recovers\n", i);
       memory[i] = journal[i];
       view[i] = journalView[i]
     }
  od
}

init {
  atomic {
    if
#ifdef BYZANTINE_VIEW
    :: byzantineView = BYZANTINE_VIEW
#else
    :: byzantineView = 1
    :: byzantineView = 2
    :: byzantineView = 3
    :: byzantineView = 4
#endif
    fi;
    printf("the Byzantine validator leads view %d\n", byzantineView);
    run Validator(0);
    run Validator(1);
    run Validator(2)
  }
}
