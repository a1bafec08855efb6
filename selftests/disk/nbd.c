// SPDX-License-Identifier: GPL-2.0
/*
 * nbd.c - the disk is another machine's: the kernel's nbd, and nbdkit as the server, over loopback
 *
 * The kernel is given its connections by netlink, as nbd-client(8) does; other than by nbd-client
 * it is told to wait for another one when a connection is lost, and given that.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"
#include "workload.h"

#define FRAMES	64
#define PAGES	512
#define SEED	29
#define WORKERS	3
#define SLOW	200	/* seconds that something may take on a slow machine */
#define DISK	"/dev/nbd0"
#define IMAGE	"/tmp/vmdemo-nbd.img"
#define PORT	10809

/* ---- netlink ---- */

struct message {
	struct nlmsghdr head;
	struct genlmsghdr generic;
	char attributes[512];
};

static void begin(struct message *message, int family, int command)
{
	memset(message, 0, sizeof(*message));
	message->head.nlmsg_type = family;
	message->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->head.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	message->generic.cmd = command;
	message->generic.version = 1;
}

static struct nlattr *add(struct message *message, int type, const void *data, size_t length)
{
	struct nlattr *attribute = (void *)message + NLMSG_ALIGN(message->head.nlmsg_len);

	attribute->nla_type = type;
	attribute->nla_len = NLA_HDRLEN + length;
	if (length)
		memcpy((void *)attribute + NLA_HDRLEN, data, length);
	message->head.nlmsg_len = NLMSG_ALIGN(message->head.nlmsg_len) +
				  NLA_ALIGN(attribute->nla_len);
	return attribute;
}

static void add_u64(struct message *message, int type, __u64 value)
{
	add(message, type, &value, sizeof(value));
}

/* What has been added since belongs to this attribute. */
static void nest(struct message *message, struct nlattr *outer)
{
	outer->nla_type |= NLA_F_NESTED;
	outer->nla_len = (void *)message + message->head.nlmsg_len - (void *)outer;
}

/* Send it; 0 or -errno, and the first answer that is not the acknowledgment in *answer. */
static int transact(struct message *message, struct message *answer)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), error = 1;
	struct message got;

	if (send(fd, message, message->head.nlmsg_len, 0) < 0)
		error = -errno;
	while (error > 0) {
		if (recv(fd, &got, sizeof(got), 0) < 0)
			error = -errno;
		else if (got.head.nlmsg_type == NLMSG_ERROR)
			error = ((struct nlmsgerr *)NLMSG_DATA(&got.head))->error;
		else if (answer)
			*answer = got;
	}
	close(fd);
	return error;
}

/* The number that stands for nbd here. */
static int nbd_family(void)
{
	struct message message, answer = {};
	struct nlattr *attribute;
	char *at, *end;

	begin(&message, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	add(&message, CTRL_ATTR_FAMILY_NAME, NBD_GENL_FAMILY_NAME, sizeof(NBD_GENL_FAMILY_NAME));
	if (transact(&message, &answer))
		vt_fail("nbd does not listen to netlink");
	at = answer.attributes;
	end = (char *)&answer + answer.head.nlmsg_len;
	for (; at < end; at += NLA_ALIGN(attribute->nla_len)) {
		attribute = (void *)at;
		if (attribute->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(__u16 *)(at + NLA_HDRLEN);
	}
	vt_fail("nbd has no number");
}

/* ---- server and client ---- */

/* The handshake; what the server says at first, what is answered, and what it then tells. */
#define NBD_MAGIC	0x4e42444d41474943ULL
#define NBD_HAVE_OPT	0x49484156454f5054ULL

#pragma pack(push, 1)

struct nbd_hello {
	__u64 magic[2];
	__u16 flags;
};

struct nbd_choice {
	__u32 flags;
	__u64 magic;
	__u32 option, length;
};

struct nbd_export {
	__u64 bytes;
	__u16 flags;
};

#pragma pack(pop)

static bool shake_hands(int fd, struct nbd_export *export)
{
	/* Fixed newstyle, no zeros; the export without a name. */
	struct nbd_choice choice = {
		.flags = htobe32(3), .magic = htobe64(NBD_HAVE_OPT), .option = htobe32(1),
	};
	struct nbd_hello hello;

	return recv(fd, &hello, sizeof(hello), MSG_WAITALL) == sizeof(hello) &&
	       hello.magic[0] == htobe64(NBD_MAGIC) &&
	       send(fd, &choice, sizeof(choice), MSG_NOSIGNAL) == sizeof(choice) &&
	       recv(fd, export, sizeof(*export), MSG_WAITALL) == sizeof(*export);
}

/* A connection to the server, which may be on its way up. */
static int connect_server(struct nbd_export *export)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	__u64 deadline = vt_now_ms() + SLOW * 1000;
	int fd;

	do {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (!connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
		    shake_hands(fd, export))
			return fd;
		close(fd);
		vt_nap(50);
	} while (vt_now_ms() < deadline);
	vt_fail("the server does not answer");
}

/* Give the kernel a connection: its first, or another one for one that was lost. 0 or -errno. */
static int give_connection(int command, int patience)
{
	struct nlattr *sockets, *item;
	struct nbd_export export;
	struct message message;
	__u32 index = 0, fd;
	int error;

	fd = connect_server(&export);
	begin(&message, nbd_family(), command);
	add(&message, NBD_ATTR_INDEX, &index, sizeof(index));
	if (command == NBD_CMD_CONNECT) {
		add_u64(&message, NBD_ATTR_SIZE_BYTES, be64toh(export.bytes));
		add_u64(&message, NBD_ATTR_BLOCK_SIZE_BYTES, 512);
		add_u64(&message, NBD_ATTR_SERVER_FLAGS, be16toh(export.flags));
		/* What the old connection has not answered is asked again of the new one. */
		add_u64(&message, NBD_ATTR_TIMEOUT, 10);
		add_u64(&message, NBD_ATTR_DEAD_CONN_TIMEOUT, patience);
	}
	sockets = add(&message, NBD_ATTR_SOCKETS, NULL, 0);
	item = add(&message, NBD_SOCK_ITEM, NULL, 0);
	add(&message, NBD_SOCK_FD, &fd, sizeof(fd));
	nest(&message, item);
	nest(&message, sockets);
	error = transact(&message, NULL);
	close(fd);
	return error;
}

static int disconnect(void)
{
	struct message message;
	__u32 index = 0;

	begin(&message, nbd_family(), NBD_CMD_DISCONNECT);
	add(&message, NBD_ATTR_INDEX, &index, sizeof(index));
	return transact(&message, NULL);
}

FIXTURE(nbd) {
	struct work work;
	pid_t server;
};

static void start_server(struct _test_data_nbd *self)
{
	fflush(stdout);
	self->server = fork();
	if (!self->server) {
		execlp("nbdkit", "nbdkit", "--foreground", "--ipaddr", "127.0.0.1", "--port",
		       "10809", "file", IMAGE, NULL);
		_exit(127);
	}
}

static void kill_server(struct _test_data_nbd *self)
{
	if (self->server <= 0)
		return;
	kill(self->server, SIGKILL);
	waitpid(self->server, NULL, 0);
	self->server = 0;
}

/*
 * Make a disk of the server's file. When the server goes the kernel waits this many seconds for
 * another connection before requests fail. What is left of an earlier disk may take a moment to go.
 */
static void make_disk(int patience)
{
	__u64 deadline = vt_now_ms() + SLOW * 1000;
	int error;

	while ((error = give_connection(NBD_CMD_CONNECT, patience)) && vt_now_ms() < deadline)
		vt_nap(100);
	if (error)
		vt_fail("the kernel does not take the connection: %s", strerror(-error));
}

/* Unload, whatever is bound: vt_stop() wants to see the disks. */
static void unload(void)
{
	__u64 deadline = vt_now_ms() + SLOW * 1000;

	while (vt_loaded() && vt_now_ms() < deadline)
		if (vt_try_unload())
			vt_nap(50);
}

FIXTURE_VARIANT(nbd) {
	int patience;	/* seconds the kernel waits for another connection */
};

FIXTURE_VARIANT_ADD(nbd, waits) { .patience = 3600 };
FIXTURE_VARIANT_ADD(nbd, fails) { .patience = 1 };

FIXTURE_SETUP(nbd)
{
	self->server = 0;
	unload();
	if (!vt_shell("modprobe nbd nbds_max=1"))
		vt_skip("there is no nbd");
	if (!vt_shell("command -v nbdkit >/dev/null"))
		vt_skip("nbdkit is missing");
	if (!vt_shell("ip link set lo up && truncate -s 0 " IMAGE " && truncate -s 64M " IMAGE))
		vt_fail("there is no loopback, or no room for " IMAGE);
	start_server(self);
	make_disk(variant->patience);
	setenv("VMDEMO_TEST_DISK", DISK, 1);
	vt_disk_fill(DISK, 0, PAGES, SEED);
	vt_start(FRAMES);
	work_init(&self->work, VT_DEV, 0, PAGES, SEED, WORKERS);
}

FIXTURE_TEARDOWN(nbd)
{
	work_free(&self->work);
	unload();
	disconnect();
	kill_server(self);
	unlink(IMAGE);
	unsetenv("VMDEMO_TEST_DISK");
}

/* Everything that was stored gets to the server, and no process has seen anything else. */
static void all_there(struct __test_metadata *_metadata, struct work *work)
{
	int fd;

	EXPECT_EQ(work_wrong(work), 0);
	EXPECT_GT(work_syncs(work), 0);
	fd = vt_open(O_RDWR);
	EXPECT_EQ(fsync(fd), 0);
	close(fd);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), vt_get("frames_actual"));
	EXPECT_EQ(work_check_disk(work, DISK), 0);
}

/* The disk is gone: what is lost is counted; a new one has all that was acknowledged. */
static void all_but_lost(struct __test_metadata *_metadata, struct _test_data_nbd *self,
			 int patience)
{
	__u64 dirty;

	EXPECT_TRUE(work_end(&self->work, SLOW));
	EXPECT_EQ(work_wrong(&self->work), 0);
	dirty = vt_stat("frames_dirty");
	EXPECT_EQ(vt_set("backing", "none"), -EIO);
	EXPECT_EQ(vt_set("backing", "abandon"), 0);
	EXPECT_EQ(vt_stat("pages_lost"), dirty);
	EXPECT_EQ(vt_stat("frames_free"), vt_get("frames_actual"));
	kill_server(self);
	start_server(self);
	/* Without being told the kernel does not forget a disk that has failed. */
	disconnect();
	make_disk(patience);
	EXPECT_EQ(work_check_disk(&self->work, DISK), 0);
	EXPECT_EQ(vt_set("backing", DISK), 0);
}

/*
 * The server is killed under load and comes back. While the kernel waits for it nobody notices. If
 * it does not, the disk is lost for good: so are pages, but none that was acknowledged.
 */
TEST_F(nbd, server_dies)
{
	int round;

	work_start(&self->work);
	if (variant->patience == 1) {
		ASSERT_TRUE(work_wait_done(&self->work, 200, SLOW));
		kill_server(self);
		EXPECT_TRUE(work_wait_failed(&self->work, 3, SLOW));
		all_but_lost(_metadata, self, variant->patience);
		return;
	}
	for (round = 0; round < 3; round++) {
		ASSERT_TRUE(work_wait_done(&self->work, 200, SLOW));
		kill_server(self);
		EXPECT_TRUE(work_stands_still(&self->work, SLOW));
		start_server(self);
		ASSERT_EQ(give_connection(NBD_CMD_RECONFIGURE, 0), 0);
	}
	ASSERT_TRUE(work_wait_done(&self->work, 200, SLOW));
	EXPECT_TRUE(work_end(&self->work, SLOW));
	EXPECT_EQ(work_failed(&self->work) + work_unsynced(&self->work), 0);
	all_there(_metadata, &self->work);
}

/* Somebody disconnects it under load. */
TEST_F(nbd, disconnected)
{
	work_start(&self->work);
	ASSERT_TRUE(work_wait_done(&self->work, 200, SLOW));
	ASSERT_EQ(disconnect(), 0);
	EXPECT_TRUE(work_wait_failed(&self->work, 3, SLOW));
	all_but_lost(_metadata, self, variant->patience);
}

TEST_HARNESS_MAIN
