/* SPDX-License-Identifier: GPL-2.0 */
/*
 * loan.h - frames for those who find all of them held by others
 */
#ifndef VMDEMO_LOAN_H
#define VMDEMO_LOAN_H

#include "frame.h"

bool vmdemo_loan_besieged(struct vmdemo_pool *pool);
bool vmdemo_loan_relieved(struct vmdemo_pool *pool);
bool vmdemo_loan_take(struct vmdemo_pool *pool, u32 *spare);
struct folio *vmdemo_loan_next(struct vmdemo_pool *pool);
u32 vmdemo_loan_nr(const struct vmdemo_pool *pool);

#endif /* VMDEMO_LOAN_H */
