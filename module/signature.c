// SPDX-License-Identifier: GPL-2.0
/*
 * signature.c - what a device is in use for, by the marks that are on it
 *
 * Whatever a device is used for has a mark at a known place near its beginning, by which blkid and
 * the rest of the system know it. A device that will be overwritten is looked at first; and one
 * that is being overwritten must not look like what it was: its first page, which no slot is in,
 * becomes a mark of ours.
 *
 * Ours counts only where the rest of that page is zeros: what has been put on the device since has
 * nearly always changed something there. The pages behind it then say nothing: they are slots, with
 * whatever programs had in memory. So a use that leaves the whole first page as it was is not seen
 * on a device that was ours (md 1.2, bcache), nor are marks that are at the end only (md 0.90 and
 * 1.0), or are not constant (ZFS).
 *
 * A disk may not answer, so a worker reads and writes: see job.c.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <vmdemo.h>

#include "backing.h"
#include "job.h"
#include "signature.h"

/* Marks are in the first pages; some are in the last ones as well, or only there. */
#define VMDEMO_MARK_PAGES	17
#define VMDEMO_MARK_TAIL	SZ_128K

struct vmdemo_mark {
	const char *what;
	u32 offset;
	u32 length;
	const char *magic;
	bool (*sure)(const u8 *page);	/* of short ones: does the rest look like it? */
};

/* Its superblock's log of the block size, less 10, is 6 at most. */
static bool vmdemo_mark_is_ext(const u8 *page)
{
	return page[0x418] <= 6 && !page[0x419] && !page[0x41a] && !page[0x41b];
}

/* Four partitions, each of which can be started from or cannot; so are those of a boot sector. */
static bool vmdemo_mark_is_dos(const u8 *page)
{
	return !((page[0x1be] | page[0x1ce] | page[0x1de] | page[0x1ee]) & 0x7f);
}

#define VMDEMO_MARK(what, offset, magic, ...) \
	{ what, offset, sizeof(magic) - 1, magic, ##__VA_ARGS__ }

#define VMDEMO_RAID	"a member of an md RAID"

/* By page; those that others may hold as well come last in theirs. A mark is within one page. */
static const struct vmdemo_mark vmdemo_marks[] = {
	VMDEMO_MARK("an XFS file system", 0, "XFSB"),
	VMDEMO_MARK("a LUKS volume", 0, "LUKS\xba\xbe"),
	VMDEMO_MARK("a squashfs file system", 0, "hsqs"),
	VMDEMO_MARK("a cramfs file system", 0, "\x45\x3d\xcd\x28"),
	VMDEMO_MARK(VMDEMO_RAID, 0, "\xfc\x4e\x2b\xa9"),
	VMDEMO_MARK("a Ceph OSD", 0, "bluestore block device"),
	VMDEMO_MARK("a VDO volume", 0, "dmvdo001"),
	VMDEMO_MARK("a dm-verity hash device", 0, "verity\0\0"),
	VMDEMO_MARK("a dm-integrity volume", 0, "integrt\0"),
	VMDEMO_MARK("an NTFS file system", 3, "NTFS    "),
	VMDEMO_MARK("an exFAT file system", 3, "EXFAT   "),
	VMDEMO_MARK("a BitLocker volume", 3, "-FVE-FS-"),
	VMDEMO_MARK("an APFS container", 32, "NXSB"),
	VMDEMO_MARK("a FAT file system", 0x36, "FAT1"),
	VMDEMO_MARK("a FAT file system", 0x36, "MSDOS"),
	VMDEMO_MARK("a FAT file system", 0x52, "FAT32   "),
	VMDEMO_MARK("an LVM physical volume", 0x000, "LABELONE"),
	VMDEMO_MARK("an LVM physical volume", 0x200, "LABELONE"),
	VMDEMO_MARK("an LVM physical volume", 0x400, "LABELONE"),
	VMDEMO_MARK("an LVM physical volume", 0x600, "LABELONE"),
	VMDEMO_MARK("an F2FS file system", 0x400, "\x10\x20\xf5\xf2"),
	VMDEMO_MARK("an EROFS file system", 0x400, "\xe2\xe1\xf5\xe0"),
	VMDEMO_MARK("an HFS+ file system", 0x400, "H+\0\4"),
	VMDEMO_MARK("an ext2, ext3 or ext4 file system", 0x438, "\x53\xef", vmdemo_mark_is_ext),
	VMDEMO_MARK("a swap area of Linux", 0xff6, "SWAPSPACE2"),
	VMDEMO_MARK("a swap area of Linux", 0xff6, "SWAP-SPACE"),
	VMDEMO_MARK("the image of a machine that sleeps", 0xff6, "S1SUSPEND"),
	VMDEMO_MARK("the image of a machine that sleeps", 0xff6, "S2SUSPEND"),
	VMDEMO_MARK("the image of a machine that sleeps", 0xff6, "ULSUSPEND"),
	VMDEMO_MARK("the image of a machine that sleeps", 0xff6, "LINHIB0001"),
	VMDEMO_MARK("a partition table (GPT)", 0x200, "EFI PART"),
	VMDEMO_MARK("a partition table or a boot sector", 0x1fe, "\x55\xaa", vmdemo_mark_is_dos),
	VMDEMO_MARK("swap space of vmdemo that somebody changed", 0, VMDEMO_SWAP_MAGIC),

	VMDEMO_MARK(VMDEMO_RAID, 0x1000, "\xfc\x4e\x2b\xa9"),
	VMDEMO_MARK("a partition table (GPT)", 0x1000, "EFI PART"),
	VMDEMO_MARK("a bcache device", 0x1018, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca"),
	VMDEMO_MARK("a bcachefs file system", 0x1018, "\xc6\x85\x73\xf6\x66\xce\x90\xa9"),
	VMDEMO_MARK("a swap area of Linux", 0x1ff6, "SWAPSPACE2"),
	VMDEMO_MARK("a swap area of Linux", 0x3ff6, "SWAPSPACE2"),
	VMDEMO_MARK("a LUKS volume", 0x4000, "SKUL\xba\xbe"),
	VMDEMO_MARK("a swap area of Linux", 0x7ff6, "SWAPSPACE2"),
	VMDEMO_MARK("a JFS file system", 0x8000, "JFS1"),
	VMDEMO_MARK("a LUKS volume", 0x8000, "SKUL\xba\xbe"),
	VMDEMO_MARK("an ISO 9660 file system", 0x8001, "CD001"),
	VMDEMO_MARK("a UDF file system", 0x8001, "BEA01"),
	VMDEMO_MARK("a swap area of Linux", 0xfff6, "SWAPSPACE2"),
	VMDEMO_MARK("a GFS2 file system", 0x10000, "\x01\x16\x19\x70\0\0\0\1"),
	VMDEMO_MARK("a LUKS volume", 0x10000, "SKUL\xba\xbe"),
	VMDEMO_MARK("a ReiserFS file system", 0x10034, "ReIsEr"),
	VMDEMO_MARK("a Btrfs file system", 0x10040, "_BHRfS_M"),
};

/* A device that is looked at, or marked. */
struct vmdemo_look {
	struct vmdemo_job job;
	struct vmdemo_bdev handle;
	struct page *page;
	u64 bytes;
	bool wipe;
	const char *what;
};

/* ---- by a worker ---- */

/* Read or write as much of page @nr as the device has. */
static int vmdemo_signature_page(struct vmdemo_look *look, u32 nr, blk_opf_t opf)
{
	u64 start = (u64)nr << PAGE_SHIFT;
	struct bio_vec vec;
	struct bio bio;
	int err;

	bio_init(&bio, look->handle.bdev, &vec, 1, opf);
	bio.bi_iter.bi_sector = start >> SECTOR_SHIFT;
	__bio_add_page(&bio, look->page, min_t(u64, look->bytes - start, PAGE_SIZE), 0);
	err = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return err;
}

/* What the marks in page @nr, whose contents are @page, say; NULL: there is none. */
static const char *vmdemo_signature_match(const u8 *page, u32 nr)
{
	const struct vmdemo_mark *mark = vmdemo_marks;

	for (; mark < vmdemo_marks + ARRAY_SIZE(vmdemo_marks); mark++)
		if (mark->offset >> PAGE_SHIFT == nr &&
		    !memcmp(page + offset_in_page(mark->offset), mark->magic, mark->length) &&
		    (!mark->sure || mark->sure(page)))
			return mark->what;
	return NULL;
}

static bool vmdemo_signature_marks(u32 nr)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(vmdemo_marks); i++)
		if (vmdemo_marks[i].offset >> PAGE_SHIFT == nr)
			return true;
	return false;
}

static bool vmdemo_signature_ours(const u8 *page)
{
	return !memcmp(page, VMDEMO_SWAP_MAGIC, sizeof(VMDEMO_SWAP_MAGIC)) &&
	       !memchr_inv(page + sizeof(VMDEMO_SWAP_MAGIC), 0,
			   PAGE_SIZE - sizeof(VMDEMO_SWAP_MAGIC));
}

static int vmdemo_signature_find_run(struct vmdemo_job *job)
{
	struct vmdemo_look *look = container_of(job, struct vmdemo_look, job);
	u64 nr_pages = DIV_ROUND_UP_ULL(look->bytes, PAGE_SIZE);
	u8 *data = page_address(look->page);
	u32 nr;
	int err;

	for (nr = 0; nr < min_t(u64, nr_pages, VMDEMO_MARK_PAGES) && !look->what; nr++) {
		if (!vmdemo_signature_marks(nr))
			continue;
		memset(data, 0, PAGE_SIZE);
		err = vmdemo_signature_page(look, nr, REQ_OP_READ);
		if (err)
			return err;
		if (!nr && vmdemo_signature_ours(data))
			return 0;
		look->what = vmdemo_signature_match(data, nr);
	}
	return 0;
}

static int vmdemo_signature_zero(struct vmdemo_look *look, u64 start, u64 bytes)
{
	return blkdev_issue_zeroout(look->handle.bdev, start >> SECTOR_SHIFT,
				    min(bytes, look->bytes - start) >> SECTOR_SHIFT, GFP_KERNEL, 0);
}

static int vmdemo_signature_put_run(struct vmdemo_job *job)
{
	struct vmdemo_look *look = container_of(job, struct vmdemo_look, job);
	u64 tail = look->bytes > VMDEMO_MARK_TAIL ? look->bytes - VMDEMO_MARK_TAIL : 0;
	u8 *data = page_address(look->page);
	int err = 0;

	if (look->wipe)
		err = vmdemo_signature_zero(look, 0, VMDEMO_MARK_PAGES * PAGE_SIZE) ?:
		      vmdemo_signature_zero(look, tail, VMDEMO_MARK_TAIL);
	if (err)
		return err;
	memset(data, 0, PAGE_SIZE);
	memcpy(data, VMDEMO_SWAP_MAGIC, sizeof(VMDEMO_SWAP_MAGIC));
	/* Before anything else is overwritten: the power may go. */
	return vmdemo_signature_page(look, 0, REQ_OP_WRITE | REQ_SYNC | REQ_PREFLUSH | REQ_FUA);
}

static void vmdemo_signature_drop(struct vmdemo_job *job)
{
	struct vmdemo_look *look = container_of(job, struct vmdemo_look, job);

	vmdemo_bdev_close(&look->handle);
	__free_page(look->page);
	kfree(look);
}

/* ---- for binding a device ---- */

static struct vmdemo_look *vmdemo_signature_look(struct vmdemo_backing *backing,
						 int (*run)(struct vmdemo_job *job))
{
	struct vmdemo_look *look = kzalloc(sizeof(*look), GFP_KERNEL);

	if (!look)
		return NULL;
	look->page = alloc_page(GFP_KERNEL);
	if (!look->page) {
		kfree(look);
		return NULL;
	}
	look->job.run = run;
	look->job.drop = vmdemo_signature_drop;
	look->handle = backing->handle;
	look->bytes = vmdemo_backing_bytes(backing);
	return look;
}

/* Wait for the worker; @look is gone afterwards. */
static int vmdemo_signature_wait(struct vmdemo_backing *backing, struct vmdemo_look *look,
				 const char **what)
{
	int err;

	vmdemo_job_start(&vmdemo_binding_jobs, &look->job);
	if (!vmdemo_job_wait(&look->job)) {
		backing->handle.bdev = NULL;
		return -EINTR;
	}
	err = look->job.err;
	*what = look->what;
	__free_page(look->page);
	kfree(look);
	return err;
}

/**
 * vmdemo_signature_find - is a device in use for something?
 * @backing: bound; nobody uses it yet
 * @what:    set to what it holds, for people; NULL: nothing that is known, or slots of ours
 *
 * Sleeps, killably. Returns 0, -ENOMEM, the block layer's error, or -EINTR when killed: then the
 * device closes when it has answered, and vmdemo_backing_close() is next.
 */
int vmdemo_signature_find(struct vmdemo_backing *backing, const char **what)
{
	struct vmdemo_look *look = vmdemo_signature_look(backing, vmdemo_signature_find_run);

	*what = NULL;
	return look ? vmdemo_signature_wait(backing, look, what) : -ENOMEM;
}

/**
 * vmdemo_signature_put - mark a device as ours
 * @backing: bound and writable, of a page or more; nobody uses it yet
 * @wipe:    zero all places where a mark may be, so that it looks like nothing else any more
 *
 * On stable storage when it returns. Sleeps, killably. Returns as vmdemo_signature_find().
 */
int vmdemo_signature_put(struct vmdemo_backing *backing, bool wipe)
{
	struct vmdemo_look *look = vmdemo_signature_look(backing, vmdemo_signature_put_run);
	const char *what;

	if (!look)
		return -ENOMEM;
	look->wipe = wipe;
	return vmdemo_signature_wait(backing, look, &what);
}
