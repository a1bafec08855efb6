/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rw.h - read(2) and write(2) on the linear space
 */
#ifndef VMDEMO_RW_H
#define VMDEMO_RW_H

#include <linux/fs.h>

ssize_t vmdemo_rw_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t vmdemo_rw_write_iter(struct kiocb *iocb, struct iov_iter *from);

#endif /* VMDEMO_RW_H */
