// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rights: one table of who may do what, tried by processes of every kind, and
 * that descriptors give no right.
 */
#include "kselftest_harness.h"
#include "mbox_selftest.h"

#include <linux/capability.h>
#include <sys/socket.h>

#define OWNER	1000	/* user and group of the owner */
#define STRANGER 1001

/* How the mode bits and the rest see a process; each class has its column. */
enum class { PROCESS, USER, GROUP, OTHERS, PRIVILEGED, CLASSES };

/* s: send, r: receive, t: stat, o: open, d: delete */
static const struct {
	uint32_t mode;
	const char *may[CLASSES];
} table[] = {
	/*	  process  user     group   others  privileged */
	{ 0000, { "rtod",  "tod",   "",     "",     "srtod" } },
	{ 0200, { "srtod", "stod",  "",     "",     "srtod" } },
	{ 0400, { "rtod",  "rtod",  "",     "",     "srtod" } },
	{ 0600, { "srtod", "srtod", "",     "",     "srtod" } },
	{ 0020, { "rtod",  "tod",   "sto",  "",     "srtod" } },
	{ 0040, { "rtod",  "tod",   "rto",  "",     "srtod" } },
	{ 0060, { "rtod",  "tod",   "srto", "",     "srtod" } },
	{ 0002, { "rtod",  "tod",   "",     "sto",  "srtod" } },
	{ 0004, { "rtod",  "tod",   "",     "rto",  "srtod" } },
	{ 0006, { "rtod",  "tod",   "",     "srto", "srtod" } },
	{ 0066, { "rtod",  "tod",   "srto", "srto", "srtod" } },
	{ 0606, { "srtod", "srtod", "",     "srto", "srtod" } },
	{ 0660, { "srtod", "srtod", "srto", "",     "srtod" } },
	{ 0666, { "srtod", "srtod", "srto", "srto", "srtod" } },
};

#define MODES ARRAY_SIZE(table)

static const char verbs[] = "tosrd";	/* in an order in which all can be tried */
#define VERBS (sizeof(verbs) - 1)

/* The only capabilities left are those of the mask. */
static void limit_capabilities(uint64_t mask)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = mask, .permitted = mask },
		{ .effective = mask >> 32, .permitted = mask >> 32 },
	};

	NEED(!syscall(SYS_capset, &header, data));
}

static void become_with_capabilities(uid_t uid, gid_t gid, uint64_t mask)
{
	NEED(!prctl(PR_SET_KEEPCAPS, 1));
	become(uid, gid);
	limit_capabilities(mask);
}

/* What a process can be besides the owner itself. */
static void same_user(void)
{
	become(OWNER, OWNER);
}

static void same_user_in_another_group(void)
{
	become(OWNER, STRANGER);
}

static void same_user_effectively(void)
{
	NEED(!setgroups(0, NULL) && !setresgid(STRANGER, STRANGER, STRANGER));
	NEED(!setresuid(STRANGER, OWNER, STRANGER));
}

static void same_user_but_not_effectively(void)
{
	NEED(!setgroups(0, NULL) && !setresgid(OWNER, STRANGER, OWNER));
	NEED(!setresuid(OWNER, STRANGER, OWNER));
}

static void same_group(void)
{
	become(STRANGER, OWNER);
}

static void same_group_among_others(void)
{
	gid_t groups[] = { 5, OWNER, 2000 };

	NEED(!setgroups(ARRAY_SIZE(groups), groups));
	NEED(!setresgid(STRANGER, STRANGER, STRANGER));
	NEED(!setresuid(STRANGER, STRANGER, STRANGER));
}

static void stranger(void)
{
	become(STRANGER, STRANGER);
}

static void stranger_with_other_capabilities(void)
{
	become_with_capabilities(STRANGER, STRANGER, ~(1ULL << CAP_IPC_OWNER) & 0x1ffffffffff);
}

static void root_without_capabilities(void)
{
	limit_capabilities(0);
}

static void stranger_who_is_root_of_a_user_namespace(void)
{
	stranger();
	become_root_of_a_user_namespace();
}

static void same_user_who_is_root_of_a_user_namespace(void)
{
	same_user();
	become_root_of_a_user_namespace();
}

static void stranger_with_cap_ipc_owner(void)
{
	become_with_capabilities(STRANGER, STRANGER, 1ULL << CAP_IPC_OWNER);
}

static void root(void)
{
}

/* Who of the owner's own processes acts, if not a process of its own. */
enum actor { ANOTHER, THE_OWNER, ITS_THREAD, ITS_CHILD };

FIXTURE(rights) {
	int fd;
	int unbound[MODES];
	uint64_t *ids;
	bool *visible;
	int (*errors)[VERBS];
};

FIXTURE_VARIANT(rights) {
	enum actor actor;
	void (*assume)(void);
	enum class class;
};

#define RIGHTS_OF(name, _class)						\
	FIXTURE_VARIANT_ADD(rights, of_##name) { .assume = name, .class = _class }

FIXTURE_VARIANT_ADD(rights, of_the_owner) {
	.actor = THE_OWNER, .class = PROCESS,
};

FIXTURE_VARIANT_ADD(rights, of_a_thread_of_the_owner) {
	.actor = ITS_THREAD, .class = PROCESS,
};

FIXTURE_VARIANT_ADD(rights, of_a_child_of_the_owner) {
	.actor = ITS_CHILD, .class = USER,
};

RIGHTS_OF(same_user, USER);
RIGHTS_OF(same_user_in_another_group, USER);
RIGHTS_OF(same_user_effectively, USER);
RIGHTS_OF(same_user_but_not_effectively, OTHERS);
RIGHTS_OF(same_user_who_is_root_of_a_user_namespace, USER);
RIGHTS_OF(same_group, GROUP);
RIGHTS_OF(same_group_among_others, GROUP);
RIGHTS_OF(stranger, OTHERS);
RIGHTS_OF(stranger_with_other_capabilities, OTHERS);
RIGHTS_OF(stranger_who_is_root_of_a_user_namespace, OTHERS);
RIGHTS_OF(root_without_capabilities, OTHERS);
RIGHTS_OF(stranger_with_cap_ipc_owner, PRIVILEGED);
RIGHTS_OF(root, PRIVILEGED);

FIXTURE_SETUP(rights)
{
	unsigned int i;

	begin();
	self->fd = device(O_RDWR);
	for (i = 0; i < MODES; i++)
		self->unbound[i] = device(O_RDWR);
	self->ids = shared(MODES * sizeof(*self->ids));
	self->visible = shared(MODES * sizeof(*self->visible));
	self->errors = shared(MODES * sizeof(*self->errors));
}

FIXTURE_TEARDOWN(rights)
{
	sweep();
}

static int try_verb(char verb, int fd, int unbound, uint64_t id)
{
	struct mbox_stat stat;
	struct letter letter;

	switch (verb) {
	case 's':
		return post(fd, id, "sent", 0);
	case 'r':
		return fetch(fd, id, &letter);
	case 't':
		return try_stat(fd, id, 0, &stat);
	case 'o':
		return bind_by_id(unbound, id);
	}
	return delete(fd, id);
}

/* What the listing shows: the ids are ascending, as the modes in the table. */
static void list(int fd, const uint64_t *ids, bool *visible)
{
	struct mbox_stat stat;
	unsigned int i = 0;

	stat.id = 0;
	while (!try_stat(fd, stat.id + 1, MBOX_STAT_NEXT, &stat)) {
		while (i < MODES && ids[i] < stat.id)
			i++;
		NEED(i < MODES && ids[i] == stat.id);
		visible[i] = true;
	}
}

static void *act(void *data)
{
	FIXTURE_DATA(rights) *self = data;
	unsigned int i, verb;

	list(self->fd, self->ids, self->visible);
	for (i = 0; i < MODES; i++)
		for (verb = 0; verb < VERBS; verb++)
			self->errors[i][verb] = try_verb(verbs[verb], self->fd, self->unbound[i],
							 self->ids[i]);
	return NULL;
}

static void act_as_owner(FIXTURE_DATA(rights) *self, enum actor actor)
{
	pthread_t thread;
	pid_t child;

	if (actor == THE_OWNER)
		act(self);
	if (actor == ITS_THREAD)
		NEED(!pthread_create(&thread, NULL, act, self) && !pthread_join(thread, NULL));
	if (actor == ITS_CHILD) {
		child = spawn();
		if (!child) {
			act(self);
			_exit(0);
		}
		NEED(!join(child));
	}
}

/* The owner: creates the mailboxes, then perhaps acts, and lives on. */
static pid_t spawn_owner(FIXTURE_DATA(rights) *self, enum actor actor)
{
	pid_t owner = spawn();
	unsigned int i;

	if (owner)
		return owner;
	become(OWNER, OWNER);
	for (i = 0; i < MODES; i++) {
		struct mbox_create attr = attributes(4, 8);

		attr.mode = table[i].mode;
		self->ids[i] = create(self->fd, attr);
	}
	act_as_owner(self, actor);
	kill(getpid(), SIGSTOP);
	_exit(0);
}

static void wait_for_stop(pid_t child)
{
	int status;

	NEED(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
}

TEST_F(rights, are_those_of_the_table)
{
	pid_t owner = spawn_owner(self, variant->actor), other;
	struct mbox_stat stat;
	unsigned int i, verb;

	wait_for_stop(owner);
	if (variant->actor == ANOTHER) {
		other = spawn();
		if (!other) {
			variant->assume();
			act(self);
			_exit(0);
		}
		ASSERT_EQ(0, join(other));
	}
	for (i = 0; i < MODES; i++) {
		const char *may = table[i].may[variant->class];
		bool sends = strchr(may, 's'), receives = strchr(may, 'r');

		EXPECT_EQ(!!strchr(may, 't'), self->visible[i]) {
			TH_LOG("mode %04o, listing", table[i].mode);
		}
		for (verb = 0; verb < VERBS; verb++) {
			int allowed = verbs[verb] == 'r' && !sends ? EAGAIN : 0;

			EXPECT_EQ(strchr(may, verbs[verb]) ? allowed : EACCES,
				  self->errors[i][verb]) {
				TH_LOG("mode %04o, verb %c", table[i].mode, verbs[verb]);
			}
		}
		/* What was refused did not happen. */
		if (strchr(may, 'd')) {
			EXPECT_EQ(EIDRM, try_stat(self->fd, self->ids[i], 0, &stat));
			continue;
		}
		stat = state(self->fd, self->ids[i]);
		EXPECT_EQ(sends, stat.sent);
		EXPECT_EQ(sends && receives, stat.received);
	}
	end(owner);
}

FIXTURE(owner) {
	int fd;
	uint64_t *id;
};

FIXTURE_SETUP(owner)
{
	begin();
	self->fd = device(O_RDWR);
	self->id = shared(sizeof(*self->id));
}

FIXTURE_TEARDOWN(owner)
{
	sweep();
}

/* A mailbox of the calling process that nobody else may receive from. */
static uint64_t create_private(int fd)
{
	struct mbox_create attr = attributes(4, 8);
	uint64_t id;

	attr.mode = 0200;
	id = create(fd, attr);
	NEED(!post(fd, id, "a", 0));
	return id;
}

TEST_F(owner, stays_it_when_its_user_changes)
{
	struct letter letter;
	pid_t child = spawn();

	if (!child) {
		NEED(!setresuid(OWNER, OWNER, 0));
		*self->id = create_private(self->fd);
		NEED(!setresuid(0, 0, 0));
		become(STRANGER, STRANGER);
		NEED(!fetch(self->fd, *self->id, &letter));
		NEED(post(self->fd, *self->id, "b", 0) == EACCES);
		NEED(state(self->fd, *self->id).pid == getpid());
		_exit(delete(self->fd, *self->id));
	}
	EXPECT_EQ(0, join(child));
}

TEST_F(owner, stays_it_over_exec)
{
	char fd[16], id[32];
	pid_t child = spawn();

	if (!child) {
		become(OWNER, OWNER);
		*self->id = create_private(self->fd);
		NEED(!fcntl(self->fd, F_SETFD, 0));
		snprintf(fd, sizeof(fd), "%d", self->fd);
		snprintf(id, sizeof(id), "%llu", (unsigned long long)*self->id);
		execl("/proc/self/exe", "rights_test", "after-exec", fd, id, NULL);
		_exit(127);
	}
	EXPECT_EQ(0, join(child));
	EXPECT_EQ(1, state(self->fd, *self->id).received);
}

static int after_exec(int fd, uint64_t id)
{
	struct letter letter;

	NEED(state(fd, id).pid == getpid());
	return fetch(fd, id, &letter);
}

/* Fork until a child has that number. 0 in the child. */
static pid_t spawn_with_pid(pid_t pid)
{
	char text[16];
	int tries;

	snprintf(text, sizeof(text), "%d", pid - 1);
	for (tries = 0; tries < 100; tries++) {
		pid_t child;

		if (put_file("/proc/sys/kernel/ns_last_pid", text))
			return -1;
		child = spawn();
		if (!child && getpid() != pid)
			_exit(0);
		if (!child || child == pid)
			return child;
		NEED(!join(child));
	}
	return -1;
}

TEST_F(owner, is_nobody_once_its_process_has_ended)
{
	pid_t owner = spawn(), child;
	struct letter letter;

	if (!owner) {
		become(OWNER, OWNER);
		*self->id = create_private(self->fd);
		_exit(0);
	}
	ASSERT_EQ(0, join(owner));
	EXPECT_EQ(0, state(self->fd, *self->id).pid);

	child = spawn_with_pid(owner);
	if (child < 0)
		SKIP(return, "this kernel gives out no chosen pid");
	if (!child) {
		become(OWNER, OWNER);
		NEED(state(self->fd, *self->id).pid == 0);
		_exit(fetch(self->fd, *self->id, &letter));
	}
	EXPECT_EQ(EACCES, join(child));
	EXPECT_EQ(1, state(self->fd, *self->id).msgs);
}

TEST_F(owner, of_a_network_namespace_may_do_everything_in_it)
{
	pid_t outer = spawn(), child;
	struct letter letter;

	if (!outer) {
		become(STRANGER, STRANGER);
		become_root_of_a_user_namespace();
		NEED(!unshare(CLONE_NEWNET));
		*self->id = create_private(self->fd);
		child = spawn();
		if (!child) {
			NEED(!fetch(self->fd, *self->id, &letter));
			limit_capabilities(0);
			_exit(fetch(self->fd, *self->id, &letter));
		}
		_exit(join(child));
	}
	EXPECT_EQ(EACCES, join(outer));
}

static void send_descriptor(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { };
	struct iovec data = { &byte, 1 };
	struct msghdr header = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	NEED(sendmsg(socket, &header, 0) == 1);
}

static int receive_descriptor(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = { &byte, 1 };
	struct msghdr header = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	NEED(recvmsg(socket, &header, 0) == 1 && CMSG_FIRSTHDR(&header));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(int));
	return fd;
}

/* Who may do what is the mailboxes' affair. */
TEST(everybody_may_open_the_device)
{
	struct stat stat;
	pid_t child;

	ASSERT_EQ(0, lstat(MBOX_DEVICE, &stat));
	EXPECT_EQ(S_IFCHR | 0666, stat.st_mode);
	child = spawn();
	if (!child) {
		become(STRANGER, STRANGER);
		_exit(delete(mailbox(attributes(1, 1)), 0));
	}
	EXPECT_EQ(0, join(child));
}

/*
 * A descriptor that one process opened and another uses; the mailbox belongs to
 * a third one.
 */
enum kind { ITSELF, SAME_USER, STRANGER_PROCESS, ROOT };

FIXTURE(descriptor) {
	int sockets[2];
	uint64_t *id;
	int *errors;
};

enum { IOCTL_SEND, IOCTL_RECV, WRITE, READ, ERRORS };

FIXTURE_VARIANT(descriptor) {
	enum kind opener;
	enum kind caller;
	uint32_t mode;
	bool ioctl;	/* the caller has the rights */
	bool stream;	/* and so has the opener */
};

FIXTURE_VARIANT_ADD(descriptor, of_a_stranger_in_the_hands_of_root) {
	.opener = STRANGER_PROCESS, .caller = ROOT, .mode = 0600,
	.ioctl = true, .stream = false,
};

FIXTURE_VARIANT_ADD(descriptor, of_root_in_the_hands_of_a_stranger) {
	.opener = ROOT, .caller = STRANGER_PROCESS, .mode = 0600,
	.ioctl = false, .stream = false,
};

FIXTURE_VARIANT_ADD(descriptor, of_the_user_in_the_hands_of_a_stranger) {
	.opener = SAME_USER, .caller = STRANGER_PROCESS, .mode = 0600,
	.ioctl = false, .stream = false,
};

FIXTURE_VARIANT_ADD(descriptor, of_a_stranger_in_the_hands_of_the_user) {
	.opener = STRANGER_PROCESS, .caller = SAME_USER, .mode = 0600,
	.ioctl = true, .stream = false,
};

FIXTURE_VARIANT_ADD(descriptor, of_the_user_in_the_hands_of_the_user) {
	.opener = SAME_USER, .caller = SAME_USER, .mode = 0600,
	.ioctl = true, .stream = true,
};

FIXTURE_VARIANT_ADD(descriptor, of_root_in_the_hands_of_the_user) {
	.opener = ROOT, .caller = SAME_USER, .mode = 0600,
	.ioctl = true, .stream = true,
};

FIXTURE_VARIANT_ADD(descriptor, of_a_stranger_in_its_own_hands) {
	.opener = STRANGER_PROCESS, .caller = ITSELF, .mode = 0606,
	.ioctl = true, .stream = true,
};

FIXTURE_VARIANT_ADD(descriptor, of_a_stranger_in_its_own_hands_without_a_right) {
	.opener = STRANGER_PROCESS, .caller = ITSELF, .mode = 0600,
	.ioctl = false, .stream = false,
};

FIXTURE_SETUP(descriptor)
{
	begin();
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->sockets));
	self->id = shared(sizeof(*self->id));
	self->errors = shared(ERRORS * sizeof(*self->errors));
}

FIXTURE_TEARDOWN(descriptor)
{
	sweep();
}

static void become_kind(enum kind kind)
{
	if (kind == SAME_USER)
		become(OWNER, OWNER);
	if (kind == STRANGER_PROCESS)
		become(STRANGER, STRANGER);
}

/* The mailbox has one message at the beginning, and room for one more. */
static void use(int fd, int *errors)
{
	struct letter letter;
	char buf[8];

	errors[IOCTL_SEND] = post(fd, 0, "b", 0);
	errors[IOCTL_RECV] = fetch(fd, 0, &letter);
	errors[WRITE] = error_of(write(fd, "c", 1));
	errors[READ] = error_of(read(fd, buf, sizeof(buf)));
}

static pid_t spawn_mailbox_owner(uint64_t *id, uint32_t mode)
{
	struct mbox_create attr = attributes(2, 8);
	int fd = device(O_RDWR);
	pid_t owner = spawn();

	if (owner)
		return owner;
	become(OWNER, OWNER);
	attr.mode = mode;
	*id = create(fd, attr);
	kill(getpid(), SIGSTOP);
	_exit(0);
}

/* Opens, hands over to be bound, and perhaps uses it after that. */
static pid_t spawn_opener(int socket, enum kind kind, bool uses, int *errors)
{
	pid_t opener = spawn();
	char byte;
	int fd;

	if (opener)
		return opener;
	become_kind(kind);
	fd = device(O_RDWR | O_NONBLOCK);
	send_descriptor(socket, fd);
	NEED(read(socket, &byte, 1) == 1);
	if (uses)
		use(fd, errors);
	_exit(0);
}

TEST_F(descriptor, gives_no_right)
{
	pid_t owner = spawn_mailbox_owner(self->id, variant->mode), opener, caller;
	bool itself = variant->caller == ITSELF;
	struct mbox_stat stat;
	int fd, i;

	wait_for_stop(owner);
	opener = spawn_opener(self->sockets[0], variant->opener, itself, self->errors);
	fd = receive_descriptor(self->sockets[1]);
	ASSERT_EQ(0, bind_by_id(fd, *self->id));
	ASSERT_EQ(0, post(fd, 0, "a", 0));
	ASSERT_EQ(1, write(self->sockets[1], "", 1));
	ASSERT_EQ(0, join(opener));
	if (!itself) {
		caller = spawn();
		if (!caller) {
			become_kind(variant->caller);
			use(fd, self->errors);
			_exit(0);
		}
		ASSERT_EQ(0, join(caller));
	}
	for (i = 0; i < ERRORS; i++) {
		bool allowed = i == WRITE || i == READ ? variant->stream : variant->ioctl;

		EXPECT_EQ(allowed ? 0 : EACCES, self->errors[i]) {
			TH_LOG("%s", ((const char *[]){ "send", "recv", "write", "read" })[i]);
		}
	}
	stat = state(fd, 0);
	EXPECT_EQ(1 + variant->ioctl + variant->stream, stat.sent);
	EXPECT_EQ(variant->ioctl + variant->stream, stat.received);
	end(owner);
}

/* A message that another user's descriptor made us write is not in our name. */
TEST(a_descriptor_of_another_user_lends_no_name_to_what_is_written)
{
	int sockets[2], *errors = shared(ERRORS * sizeof(*errors));
	struct mbox_create attr = attributes(3, 8);
	struct letter letter;
	pid_t opener;
	int fd, own;

	begin();
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	umask(0);
	attr.mode = 0666;
	own = device(O_RDWR);
	attr.id = create(own, attr);
	opener = spawn_opener(sockets[0], STRANGER_PROCESS, false, errors);
	fd = receive_descriptor(sockets[1]);
	ASSERT_EQ(0, bind_by_id(fd, attr.id));
	ASSERT_EQ(0, bind_by_id(own, attr.id));
	EXPECT_EQ(1, write(fd, "a", 1));
	EXPECT_EQ(0, post(fd, 0, "b", 0));
	EXPECT_EQ(1, write(own, "c", 1));

	ASSERT_EQ(0, fetch(own, 0, &letter));
	EXPECT_STREQ("a", letter.text);
	EXPECT_EQ(65534, letter.env.uid);
	EXPECT_EQ(65534, letter.env.gid);
	EXPECT_EQ(getpid(), letter.env.pid);
	ASSERT_EQ(0, fetch(own, 0, &letter));
	EXPECT_EQ(0, letter.env.uid);
	ASSERT_EQ(0, fetch(own, 0, &letter));
	EXPECT_STREQ("c", letter.text);
	EXPECT_EQ(0, letter.env.uid);
	EXPECT_EQ(0, letter.env.gid);
	ASSERT_EQ(1, write(sockets[1], "", 1));
	ASSERT_EQ(0, join(opener));
	sweep();
}

FIXTURE(passed_descriptor) {
	int fd;
};

FIXTURE_VARIANT(passed_descriptor) {
	bool inherited;
};

FIXTURE_VARIANT_ADD(passed_descriptor, inherited) {
	.inherited = true,
};

FIXTURE_VARIANT_ADD(passed_descriptor, sent) {
	.inherited = false,
};

FIXTURE_SETUP(passed_descriptor)
{
	begin();
	self->fd = device(O_RDWR);
}

FIXTURE_TEARDOWN(passed_descriptor)
{
	sweep();
}

static void need_no_right_but_looking_and_deleting(int fd)
{
	struct letter letter;
	char byte;

	NEED(post(fd, 0, "b", 0) == EACCES);
	NEED(fetch(fd, 0, &letter) == EACCES);
	NEED(error_of(write(fd, "b", 1)) == EACCES);
	NEED(error_of(read(fd, &byte, 1)) == EACCES);
	NEED(state(fd, 0).msgs == 0);
	NEED(!delete(fd, 0));
}

/* A process that owns a mailbox with mode 0 gives the descriptor to another. */
TEST_F(passed_descriptor, leaves_the_receive_right_with_the_owner)
{
	struct mbox_create attr = attributes(2, 8);
	pid_t owner = spawn();
	struct letter letter;
	int sockets[2];

	if (!owner) {
		pid_t other;

		become(OWNER, OWNER);
		attr.flags = MBOX_CREATE_BIND;
		attr.mode = 0;
		create(self->fd, attr);
		NEED(fetch(self->fd, 0, &letter) == EAGAIN);
		NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
		send_descriptor(sockets[0], self->fd);
		other = spawn();
		if (!other) {
			int fd = variant->inherited ? self->fd : receive_descriptor(sockets[1]);

			need_no_right_but_looking_and_deleting(fd);
			_exit(0);
		}
		_exit(join(other));
	}
	EXPECT_EQ(0, join(owner));
	EXPECT_EQ(0, info(self->fd).mailboxes);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "after-exec"))
		return after_exec(atoi(argv[2]), strtoull(argv[3], NULL, 10));
	return test_harness_run(argc, argv);
}
