/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rw.h - read(2) and write(2)
 */
#ifndef VMDEMO_RW_H
#define VMDEMO_RW_H

#include <linux/fs.h>

ssize_t vmdemo_rw_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t vmdemo_rw_write_iter(struct kiocb *iocb, struct iov_iter *from);
ssize_t vmdemo_rw_write_sparse(struct kiocb *iocb, struct iov_iter *from);
int vmdemo_rw_zero_tail(struct vmdemo_space *space, u64 pos);
void vmdemo_rw_cut(struct vmdemo_space *space, u64 size);
int vmdemo_rw_zero(struct vmdemo_space *space, u64 pos, size_t bytes);

#endif /* VMDEMO_RW_H */
