"""Every diagnostic scalec can give, in one table. `scalec explain CODE` prints the `doc`.

SC1xx syntax, SC2xx names and files, SC3xx kinds, sizes and networks, SC4xx planning,
SC5xx findings of `check`, SC6xx emission.
"""

from __future__ import annotations

from scalec.diagnostics import Code

# ---- SC1xx: syntax ---------------------------------------------------------------------------
SYNTAX = Code("SC101", "syntax", "error", "The text does not parse at this place.")
LIMIT = Code(
    "SC102",
    "limit",
    "error",
    "A file is at most 128 kB and 14,000 words; brackets nest at most 64 deep, operations 200. A number has at most "
    "40 digits and a power of ten up to 300; an exponent is at most 100 in size, its denominator at most a million. "
    "A rule has at most 50 generations of ancestors, a file uses at most 200 others, a network has at most 200 sizes.",
)
NOT_TEXT = Code("SC104", "not-text", "error", "A rule file is UTF-8 text without NUL bytes.")
UNREADABLE = Code(
    "SC105",
    "unreadable-file",
    "error",
    "A rule file is an ordinary file that can be read: no folder, no pipe, no device.",
)
UNWRITABLE = Code(
    "SC106",
    "unwritable-file",
    "error",
    "A file that is to be written cannot be: its folder is missing or closed, or it is there already and nobody said "
    "`--force`.",
)

# ---- SC2xx: names and files ------------------------------------------------------------------
UNKNOWN_NAME = Code("SC201", "unknown-name", "error", "Nothing of this name is declared here or in what the file uses.")
DUPLICATE_NAME = Code(
    "SC202",
    "duplicate-name",
    "error",
    "A name is declared once; two declarations of one name are never merged.",
)
FILE_NOT_FOUND = Code(
    "SC203",
    "file-not-found",
    "error",
    "`use` takes `std.NAME` or a path to a `.scale` file, relative to the file it stands in.",
)
CYCLE = Code("SC204", "cycle", "error", "Rules, networks and optimizers may extend others, but never themselves.")
AMBIGUOUS = Code("SC205", "ambiguous", "error", "Several things fit and scalec does not guess.")
ARGUMENTS = Code("SC206", "arguments", "error", "The arguments do not match the parameters.")
UNKNOWN_CODE = Code("SC207", "unknown-code", "error", "No diagnostic has this code or name.")
UNKNOWN_WORD = Code(
    "SC208",
    "unknown-word",
    "error",
    "Roles, shape classes, sites, blocks, options and attributes are closed sets, so that a typo is never silent.",
)
UNSUITABLE = Code(
    "SC209",
    "unsuitable-optimizer",
    "error",
    "A rule headed `for OPTIMIZER` says nothing about other optimizers.",
)
NO_OPERAND = Code(
    "SC210",
    "no-operand",
    "error",
    "The command needs a rule, a network and an optimizer; where a file leaves a choice, an option makes it.",
)
OPTIMIZER = Code(
    "SC211",
    "optimizer",
    "error",
    "An optimizer says its update family, its class, what it uses and how it decays weights; its class is a dotted name under `torch.optim`, or one the user allowed.",
)

# ---- SC3xx: kinds, sizes and networks --------------------------------------------------------
EXPRESSION = Code(
    "SC301",
    "expression",
    "error",
    "An expression has no exact meaning here: a name that is no size at this place, an exponent that is no number, a root of a negative number.",
)
LAW_SUM = Code(
    "SC302",
    "law-is-a-sum",
    "error",
    "The right side of `~` is a product of powers, with `min` and `max` over such: a law is 1 at the base. A value with a sum is said with `=`, a factor with `*=`.",
)
NO_BASE = Code(
    "SC303",
    "no-base",
    "error",
    "`~` compares a size with its base size; a base comes from `base` in a rule or from `--base`.",
)
MISSING_SIZE = Code(
    "SC304",
    "missing-size",
    "error",
    "A size is named by `--at`, else it is the base's, else the network's default.",
)
CONTRADICTION = Code(
    "SC305",
    "contradiction",
    "error",
    "A fixed size cannot be changed from outside the network, and one size has one value.",
)
NOT_INTEGER = Code(
    "SC306", "not-integer", "error", "A size that a tensor is built with must come out as a positive integer."
)
OPTION = Code(
    "SC307",
    "block-option",
    "error",
    "A block has a closed set of options, each a size, a word, a number, a flag or a list; chances and densities lie between 0 and 1.",
)
BLOCK_PLACE = Code(
    "SC308",
    "block-place",
    "error",
    "The block cannot stand here: the network starts with what reads its input and ends with a readout, and a residual keeps the width.",
)
NOTHING_GROWS = Code(
    "SC309",
    "nothing-grows",
    "error",
    "A regime lets at least one size grow; where nothing grows there is nothing to prove.",
)

# ---- SC4xx: planning -------------------------------------------------------------------------
NO_MATCH = Code(
    "SC401",
    "matches-nothing",
    "error",
    "A clause in the file under work that matches no tensor does nothing; that is never what was meant.",
)
UNCOVERED = Code(
    "SC402",
    "uncovered",
    "error",
    "Every tensor must be given every attribute that its optimizer needs, and every required site its scale.",
)
NO_ANCHOR = Code(
    "SC403",
    "no-anchor",
    "error",
    "A law says how a value moves; where it starts comes from `--tune`, the rule, or the optimizer.",
)
DECAY = Code(
    "SC404",
    "decay-convention",
    "error",
    "L2 in the gradient and decay of the weight are different things; one cannot be written as the other.",
)
TUNE = Code(
    "SC405",
    "tune",
    "error",
    "`--tune SELECTOR.ATTR=value` sets where an attribute starts, for tensors, sites or the run.",
)

UNDERFLOW = Code(
    "SC406",
    "underflow",
    "warning",
    "A planned number is too small for the type it is kept in (`--dtype`; epsilon is added to float32 state): it is 0 "
    "there, or has lost most of its digits. Larger sizes get there first, since laws shrink with them.",
)

THRESHOLD = Code(
    "SC407",
    "threshold",
    "error",
    "`where` compares sizes that may both grow, sizes that are both fixed, or one with 1. Compared with another constant "
    "a growing size would make one rule below it and another beyond, of which every limit shows the second alone.",
)
OPEN = Code(
    "SC408",
    "open-condition",
    "error",
    "A plan is one rule: a `where` holds at all of its sizes or at none, and they say which.",
)
NO_REGIME = Code(
    "SC409",
    "no-regime",
    "error",
    "Clauses under a regime need to know the regime: `--regime` says it, or exactly one that the rule names fits what "
    "moved between the base and the sizes asked for.",
)
REQUIRE = Code(
    "SC410",
    "require",
    "error",
    "A rule may `require` something of sizes and of the run: without it the rule says nothing.",
)
VALID = Code(
    "SC411",
    "valid",
    "warning",
    "A rule that was fitted says where it is `valid`. Beyond that its numbers are an extrapolation.",
)
OWNER = Code(
    "SC412",
    "owner",
    "error",
    "With several optimizers each tensor has one owner among them, which the rule names: `tensor matrix { optimizer = "
    "NAME }`. That is decided first; what is said `for` an optimizer then holds for its tensors. An optimizer that "
    "orthogonalises its update takes matrices alone.",
)
TIED_CHOICE = Code(
    "SC413",
    "tied-choice",
    "warning",
    "Experts are chosen by their scores. A router that starts at zero scores all of them the same, so that the first "
    "few by number are chosen for every input, and only these learn. With all experts active nothing is chosen.",
)
SOLVE = Code(
    "SC414",
    "solve",
    "error",
    "`ATTRIBUTE solves LAW ~ ORDER` takes the one law of the attribute that lets the value of LAW move as ORDER, with all "
    "else as the rule says it. Without such a law, or with several, scalec does not guess.",
)
BOUND_APART = Code(
    "SC415",
    "bound-apart",
    "error",
    "A fitted rule was measured with one schedule and requires it. Rules that require different ones, or other different "
    "values of the run, say nothing together. So do a rule whose tensors are to move in some way, `require lr ~ 1`, since "
    "its fit is for those that do, and one that moves them otherwise: the width would count twice.",
)

SPLIT = Code(
    "SC416",
    "split",
    "error",
    "`split = heads` lets an optimizer take the matrices of the heads one by one. Queries, keys and values are made of "
    "such, and what puts the heads together. The optimizer has to be one whose step scalec writes out, `batched`.",
)

# ---- SC5xx: findings of `check` --------------------------------------------------------------
STABLE_INIT = Code(
    "SC501",
    "stable-init",
    "error",
    "`stable_init`, judged before the first step: every observable is at most of order 1, and the input of a "
    "nonlinearity and the residual stream are of order 1 exactly.",
)
STABLE_TRAINING = Code(
    "SC502",
    "stable-training",
    "error",
    "`stable_training`, judged at every step: every observable stays at most of order 1.",
)
NONTRIVIAL = Code(
    "SC503",
    "nontrivial",
    "error",
    "`nontrivial`, judged in the limit: training moves the output at order 1.",
)
MAXIMAL_UPDATE = Code(
    "SC504",
    "maximal-update",
    "error",
    "`maximal_update`, judged in the limit: the update of every trained weight reaches an observable at order 1 "
    "(after summing over copies, through the later weights as they are then), and no propagating term exceeds 1.",
)
COMPLETE_DEPTH = Code(
    "SC505",
    "complete-depth",
    "error",
    "`complete_depth`, judged in the limit: inside each repeated block, before summing over its copies, the update "
    "of every trained weight changes its output at order 1. Otherwise layers are lazy.",
)
FAITHFUL = Code(
    "SC506",
    "faithful",
    "error",
    "`faithful`, judged in the limit: epsilon is at most of the order of the gradient entry it is added to. Where it "
    "is larger the update is no longer normalised, and every other verdict is conditional on that.",
)
FAITHFUL_EARLY = Code(
    "SC507",
    "faithful-early",
    "warning",
    "`faithful`, before the limit: epsilon exceeds the gradient entry in the first steps only.",
)
MAXIMAL_SCALE_STABILITY = Code(
    "SC508",
    "maximal-scale-stability",
    "error",
    "`maximal_scale_stability`, judged in the limit: every atomic term of every observable is of order 1 exactly, or "
    "absent; every atomic term of a gradient that is summed over copies has the order of the largest, or is absent.",
)
STEADY_DECAY = Code(
    "SC509",
    "steady-decay",
    "error",
    "`steady_decay`: weight decay per step (`lr * wd`, or `wd` where it is independent) is of order 1 in every size.",
)
UNSETTLED = Code(
    "SC510",
    "unsettled",
    "error",
    "An order still changes after 8 steps, or from copy to copy of a repeated block: there is no limit to judge.",
)
UNKNOWN_GOAL = Code("SC511", "unknown-goal", "error", "No desideratum has this name.")
NO_ORDER = Code(
    "SC512",
    "no-order",
    "error",
    "The calculus works on powers of sizes. A logarithm, or a difference that may vanish, has no such order.",
)
NO_TRANSFER = Code(
    "SC513",
    "no-transfer",
    "warning",
    "The calculus has no rule for this, so the verdict is `undetermined`: unknown never means fine.",
)
UNPROVED = Code(
    "SC519",
    "unproved",
    "warning",
    "A residual stream that outgrows what enters it before training: early copies of the block amplify gradients and "
    "changes more than late ones, by a power that depends on constants. Verdicts that need them are `undetermined`.",
)
CLIP = Code(
    "SC521",
    "clip",
    "warning",
    "The norm of the whole gradient moves otherwise than the `clip` of the run, judged in the limit: what clipping takes "
    "away from a step depends on sizes, and learning rates do not transfer where it acts. No verdict takes it into account.",
)
BALANCE = Code(
    "SC523",
    "balance",
    "warning",
    "A balancing loss has a part in the router's gradient that moves with sizes, judged in the limit: as it grows, the "
    "router learns to balance and nothing else; as it falls, balance is no longer kept. The order is that of an uneven "
    "load. No verdict takes the balancing loss into account.",
)
IDLE_DIMENSION = Code(
    "SC514", "idle-dimension", "error", "The regime lets a size grow that nothing in the network depends on."
)
UNSAID = Code("SC515", "unsaid", "error", "The rule does not say how a tensor is scaled.")
EXPECTATION = Code(
    "SC516",
    "expectation",
    "error",
    "A `check` block expects something that the calculus refutes, or a failure that does not happen.",
)
OUT_OF_REACH = Code(
    "SC517",
    "out-of-reach",
    "error",
    "`scalec derive` found no laws that reach the goal; what stands in each other's way is listed.",
)
NOT_EQUIVALENT = Code(
    "SC518",
    "not-equivalent",
    "error",
    "Two rules differ in more than gauge: with all factors moved out of the forward pass, a number still moves "
    "otherwise.",
)

FROZEN = Code(
    "SC520",
    "frozen",
    "note",
    "A frozen tensor has no update. Whatever its weights are, pretrained ones too, the calculus takes them as drawn at "
    "random with the spread that the rule says.",
)

FITTED = Code(
    "SC522",
    "fitted",
    "note",
    "A law that somebody fitted (`law ... fit`) says how some attribute moves. Verdicts hold of the attribute as it comes "
    "out; that the law is true is no part of any proof.",
)

# ---- SC6xx: emission -------------------------------------------------------------------------
RESERVED_NAME = Code(
    "SC601",
    "reserved-name",
    "error",
    "Names of sizes and blocks become names in emitted code, where a few are taken; others are too long to read.",
)
NOT_WHOLE = Code(
    "SC602",
    "not-whole",
    "error",
    "The side of a tensor, a number of heads or of blocks is a whole number, so its formula has no roots.",
)

CODES: tuple[Code, ...] = tuple(
    sorted((value for value in list(globals().values()) if isinstance(value, Code)), key=lambda c: c.id)
)
