/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hwpoison.h - the memory of a frame has failed
 */
#ifndef VMDEMO_HWPOISON_H
#define VMDEMO_HWPOISON_H

#include "frame.h"

bool vmdemo_hwpoison_leave(struct vmdemo_pool *pool, struct folio *folio);

#endif /* VMDEMO_HWPOISON_H */
