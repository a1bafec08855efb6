/* SPDX-License-Identifier: GPL-2.0 */
/*
 * signature.h - what a device is in use for, by the marks that are on it
 */
#ifndef VMDEMO_SIGNATURE_H
#define VMDEMO_SIGNATURE_H

#include "frame.h"

int vmdemo_signature_find(struct vmdemo_backing *backing, const char **what);
int vmdemo_signature_put(struct vmdemo_backing *backing, bool wipe);

#endif /* VMDEMO_SIGNATURE_H */
