// SPDX-License-Identifier: GPL-2.0
/*
 * policy_lru.c - least recently used, as far as faults can tell: a lazily demoted segmented list
 *
 * Active frames stand in order of their last fault. The oldest go to standby, in that order, and
 * are unmapped on the way; a touch there brings a frame back to the young end of active. The
 * victim is the oldest standby frame: it was not touched during its whole time there.
 *
 * The scheme is the second-chance segmented FIFO of VMS (Turner and Levy, "Segmented FIFO page
 * replacement", 1981). The larger standby is, the closer to exact LRU and the more soft faults.
 *
 * What becomes of a page that comes in, or is touched, and which one goes, are the defaults of
 * policy.h.
 */
#include "policy.h"

const struct vmdemo_policy_ops vmdemo_policy_lru = {
	.name		= "lru",
	.spare		= vmdemo_policy_spare_standby,
	.excess		= vmdemo_policy_lack,
};
