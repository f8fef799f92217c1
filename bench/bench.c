// SPDX-License-Identifier: GPL-2.0
/*
 * What shmbuf costs, and what its peers cost, in one run. Prints lines that
 * report.py reads:
 *
 *	bench: GROUP NAME SIZE METRIC VALUE
 *
 * The unit is the guest's instructions with -i, which reads the time stamp counter
 * and so wants QEMU's -icount shift=0; else nanoseconds. Values of GROUP "pages"
 * are for the whole size; each value is the median of several.
 *
 * usage: bench [-i] GROUP...	with GROUP pages, dmabuf, frames, ops, wake, copy, scale, cpus, locks
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/memfd.h>
#include <linux/udmabuf.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <linux/shmbuf.h>

#include "edu.h"

#define PAGE	4096UL
#define KIB	1024UL
#define MIB	(1024 * KIB)
#define RUNS	9

static bool instructions;

static uint64_t now(void)
{
	struct timespec t;

	if (instructions)
		return __rdtsc();
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void die(const char *what)
{
	printf("bench: error %s: %s\n", what, strerror(errno));
	exit(1);
}

static void must(bool ok)
{
	if (!ok)
		die("an operation");
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void report(const char *group, const char *name, size_t size,
		   const char *metric, double value)
{
	printf("bench: %s %s %zu %s %.2f\n", group, name, size, metric, value);
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

static void write_number(const char *path, unsigned long n)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", n);
	if (!write_text(path, text))
		die(path);
}

/* --- what is measured: each makes a file of zeroes, with all its memory --------- */

static int shmbuf_node = -1;

static int create_shmbuf(size_t size, uint32_t backing)
{
	struct shmbuf_create c = {
		.size = size,
		.backing = backing,
		.numa_node = SHMBUF_NUMA_ANY,
	};

	return ioctl(shmbuf_node, SHMBUF_IOC_CREATE, &c) ? -1 : c.fd;
}

static int create_pages(size_t size) { return create_shmbuf(size, SHMBUF_BACKING_PAGES); }
static int create_contig(size_t size) { return create_shmbuf(size, SHMBUF_BACKING_CONTIG); }
static int create_coherent(size_t size) { return create_shmbuf(size, SHMBUF_BACKING_COHERENT); }
static int create_stream(size_t size) { return create_shmbuf(size, SHMBUF_BACKING_STREAM); }

#define REGION_NODE	"/dev/shmbuf-ivshmem0"
static int region_node = -1;

static int open_region(size_t size)
{
	int fd = open(REGION_NODE, O_RDWR | O_CLOEXEC);

	if (fd >= 0 && lseek(fd, 0, SEEK_END) < (off_t)size) {
		close(fd);
		errno = ENOMEM;
		return -1;
	}
	return fd;
}

/* fallocate() on shmem leaves the zeroing to the first touch of a page. */
static int create_memfd_with(size_t size, unsigned int flags)
{
	int fd = memfd_create("bench", MFD_CLOEXEC | flags);
	void *p;

	if (fd < 0)
		return -1;
	if (ftruncate(fd, size) || fallocate(fd, 0, 0, size)) {
		close(fd);
		return -1;
	}
	if (!(flags & MFD_HUGETLB)) {
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
		if (p == MAP_FAILED)
			die("mmap");
		munmap(p, size);
	}
	return fd;
}

static int create_memfd(size_t size) { return create_memfd_with(size, 0); }

static int create_hugetlb(size_t size)
{
	return create_memfd_with(size, MFD_HUGETLB | MFD_HUGE_2MB);
}

static int udmabuf_node = -1;

static int create_udmabuf(size_t size)
{
	int memfd = create_memfd_with(size, MFD_ALLOW_SEALING), fd;
	struct udmabuf_create c = {
		.memfd = memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = size,
	};

	if (memfd < 0)
		return -1;
	fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK);
	fd = ioctl(udmabuf_node, UDMABUF_CREATE, &c);
	close(memfd);
	return fd;
}

static int heap_node = -1;

static int create_heap(size_t size)
{
	struct dma_heap_allocation_data d = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	return ioctl(heap_node, DMA_HEAP_IOCTL_ALLOC, &d) ? -1 : (int)d.fd;
}

/* A file on tmpfs with huge pages. fallocate() leaves the zeroing to the first touch. */
#define TMPFS	"/tmp"
static int tmpfs_node = -1;

static int create_tmpfs(size_t size)
{
	int fd = openat(tmpfs_node, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	void *p;

	if (fd < 0)
		return -1;
	p = ftruncate(fd, size) ? MAP_FAILED :
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		die(TMPFS);
	munmap(p, size);
	return fd;
}

/* A buffer of a capture device, whose driver uses videobuf2-vmalloc. */
#define CAMERA	"/dev/video0"
static int camera_node = -1;

static struct v4l2_format set_format(int fd, unsigned int width, unsigned int height)
{
	struct v4l2_format format = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

	format.fmt.pix.width = width;
	format.fmt.pix.height = height;
	format.fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
	if (ioctl(fd, VIDIOC_S_FMT, &format) || format.fmt.pix.width != width || format.fmt.pix.height != height)
		die("VIDIOC_S_FMT");
	return format;
}

static int create_vb2(size_t size)
{
	struct v4l2_create_buffers c = { .count = 1, .memory = V4L2_MEMORY_MMAP };
	int fd = open(CAMERA, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	c.format = set_format(fd, 320, 180);
	c.format.fmt.pix.sizeimage = size;
	if (ioctl(fd, VIDIOC_CREATE_BUFS, &c) || c.count != 1) {
		close(fd);
		return -1;
	}
	return fd;
}

static int create_anonymous(size_t size)
{
	return memfd_create("unused", MFD_CLOEXEC);
}

struct kind {
	const char *name;
	int (*create)(size_t size);
	/* Opened before, with the number in *node. */
	const char *path;
	int *node;
	int open_flags;
	int flags;		/* of mmap() */
	int advice;
	size_t unit;		/* what sizes it can have */
	bool thp;		/* for memfd */
	int fail_order;		/* allocations from this order on fail, for PAGES */
};

static const struct kind kinds[] = {
	{ "pages", create_pages, "/dev/shmbuf", &shmbuf_node },
	{ "contig", create_contig, "/dev/shmbuf", &shmbuf_node },
	{ "coherent", create_coherent, "/dev/shmbuf", &shmbuf_node },
	{ "stream", create_stream, "/dev/shmbuf", &shmbuf_node },
	{ "region", open_region, REGION_NODE, &region_node },
	{ "pages-64k", create_pages, "/dev/shmbuf", &shmbuf_node, .fail_order = 5 },
	{ "pages-4k", create_pages, "/dev/shmbuf", &shmbuf_node, .fail_order = 1 },
	{ "anonymous", create_anonymous, .flags = MAP_PRIVATE | MAP_ANONYMOUS },
	{ "anonymous-thp", create_anonymous, .flags = MAP_PRIVATE | MAP_ANONYMOUS, .advice = MADV_HUGEPAGE },
	{ "memfd", create_memfd },
	{ "memfd-populate", create_memfd, .flags = MAP_SHARED | MAP_POPULATE },
	{ "memfd-thp", create_memfd, .thp = true },
	{ "tmpfs-huge", create_tmpfs, TMPFS, &tmpfs_node, .open_flags = O_DIRECTORY },
	{ "memfd-hugetlb", create_hugetlb, .unit = 2 * MIB },
	{ "udmabuf", create_udmabuf, "/dev/udmabuf", &udmabuf_node },
	{ "heap-system", create_heap, "/dev/dma_heap/system", &heap_node },
	{ "heap-cma", create_heap, "/dev/dma_heap/default_cma_region", &heap_node },
	{ "v4l2-mmap", create_vb2, CAMERA, &camera_node, .unit = MIB },
	{}
};

#define SHMEM_THP	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define HUGE_POOL	"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
#define FAIL		"/sys/kernel/debug/fail_page_alloc/"

static void fail_allocations(int order)
{
	write_number(FAIL "probability", order ? 100 : 0);
	if (!order)
		return;
	write_number(FAIL "min-order", order);
	write_number(FAIL "verbose", 0);
	if (!write_text(FAIL "times", "-1") || !write_text(FAIL "ignore-gfp-wait", "N") ||
	    !write_text(FAIL "ignore-gfp-highmem", "N") || !write_text(FAIL "task-filter", "Y") ||
	    !write_text("/proc/self/make-it-fail", "1"))
		die(FAIL);
}

/* What is there of it on this machine; says so when it is not. */
static bool open_kind(const struct kind *k, size_t size)
{
	if (k->unit && size % k->unit)
		return false;
	if (k->path) {
		*k->node = open(k->path, (k->open_flags ?: O_RDWR) | O_CLOEXEC);
		if (*k->node < 0) {
			printf("bench: without %s: %s: %s\n", k->name, k->path, strerror(errno));
			return false;
		}
	}
	/* 0 pages wherever there is something to write: the pool is cleared again. */
	if (k->create == create_hugetlb)
		write_number(HUGE_POOL, size / k->unit);
	if (k->thp && !write_text(SHMEM_THP, "always"))
		die(SHMEM_THP);
	if (k->fail_order)
		fail_allocations(k->fail_order);
	return true;
}

static void close_kind(const struct kind *k)
{
	if (k->path)
		close(*k->node);
	if (k->create == create_hugetlb)
		write_number(HUGE_POOL, 0);
	if (k->thp)
		write_text(SHMEM_THP, "never");
	if (k->fail_order)
		fail_allocations(0);
}

static char *map(const struct kind *k, int fd, size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, k->flags ?: MAP_SHARED,
		       k->flags & MAP_ANONYMOUS ? -1 : fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	if (k->advice && madvise(p, size, k->advice))
		die("madvise");
	return p;
}

static void touch(char *p, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += PAGE)
		*(volatile char *)(p + i) = 1;
}

/* --- pages: making, mapping, touching, unmapping ------------------------------- */

/* Everything is mapped and touched, twice; "one" is a mapping of which one page is. */
enum { CREATE, MMAP, TOUCH, AGAIN, FORK, MUNMAP, ONE, CLOSE, METRICS };

static const char *const metrics[] = {
	"create", "mmap", "touch", "again", "fork", "munmap", "one", "close",
};

static void check_fragmented(const struct kind *k, int fd)
{
	struct shmbuf_info info = { 0 };

	if (k->fail_order && (ioctl(fd, SHMBUF_IOC_INFO, &info) || info.map_unit != PAGE))
		die("memory is not fragmented");
}

static void wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status)
		die("a process failed");
}

static bool measure_pages(const struct kind *k, size_t size, double values[METRICS][RUNS], int run)
{
	uint64_t t[METRICS + 1], created;
	char *p;
	pid_t pid;
	int fd;

	t[CREATE] = now();
	fd = k->create(size);
	created = now();
	if (fd < 0) {
		printf("bench: without %s %zu: %s\n", k->name, size, strerror(errno));
		return false;
	}
	check_fragmented(k, fd);
	t[MMAP] = now();
	p = map(k, fd, size);
	t[TOUCH] = now();
	touch(p, size);
	t[AGAIN] = now();
	touch(p, size);
	t[FORK] = now();
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		_exit(0);
	wait_for(pid);
	t[MUNMAP] = now();
	munmap(p, size);
	t[ONE] = now();
	p = map(k, fd, size);
	*(volatile char *)(p + size / 2) = 1;
	munmap(p, size);
	t[CLOSE] = now();
	close(fd);
	t[METRICS] = now();
	for (int m = 0; m < METRICS; m++)
		values[m][run] = (m == CREATE ? created : t[m + 1]) - t[m];
	return true;
}

static void bench_pages(void)
{
	static const size_t sizes[] = { 4 * KIB, 64 * KIB, MIB, 2 * MIB, 16 * MIB, 64 * MIB, 512 * MIB };
	double values[METRICS][RUNS];
	const struct kind *k;
	int runs, run, m;
	size_t s;

	must(!mount("none", TMPFS, "tmpfs", 0, "huge=always"));
	for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		runs = sizes[s] < 64 * MIB ? RUNS : sizes[s] < 512 * MIB ? 5 : 3;
		for (k = kinds; k->name; k++) {
			if (!open_kind(k, sizes[s]))
				continue;
			for (run = 0; run < runs; run++) {
				if (!measure_pages(k, sizes[s], values, run))
					break;
			}
			for (m = 0; m < METRICS && run == runs; m++)
				report("pages", k->name, sizes[s], metrics[m], median(values[m], runs));
			close_kind(k);
		}
	}
}

/* --- a DMA-BUF: making one, importing it, mapping it ---------------------------- */

/* Everything up to the end of ATTACH is what a device needs to begin. */
enum { DB_CREATE, DB_EXPORT, DB_ATTACH, DB_DETACH, DB_MMAP, DB_TOUCH, DB_MUNMAP, DB_CLOSE, DB_METRICS };

static const char *const dmabuf_metrics[] = {
	"create", "export", "attach+map", "detach", "mmap", "touch", "munmap", "close",
};

static int export_shmbuf(int fd, size_t size)
{
	struct shmbuf_export arg = { 0 };

	return ioctl(fd, SHMBUF_IOC_EXPORT, &arg) ? -1 : arg.fd;
}

static int export_memfd(int fd, size_t size)
{
	struct udmabuf_create c = {
		.memfd = fd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = size,
	};

	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) ? -1 : ioctl(udmabuf_node, UDMABUF_CREATE, &c);
}

static int create_sealable(size_t size) { return create_memfd_with(size, MFD_ALLOW_SEALING); }
static int export_heap(int fd, size_t size) { return dup(fd); }

static const struct {
	struct kind kind;
	int (*export)(int fd, size_t size);
} exporters[] = {
	{ { "pages", create_pages, "/dev/shmbuf", &shmbuf_node }, export_shmbuf },
	{ { "contig", create_contig, "/dev/shmbuf", &shmbuf_node }, export_shmbuf },
	{ { "stream", create_stream, "/dev/shmbuf", &shmbuf_node }, export_shmbuf },
	{ { "udmabuf", create_sealable, "/dev/udmabuf", &udmabuf_node }, export_memfd },
	{ { "heap-system", create_heap, "/dev/dma_heap/system", &heap_node }, export_heap },
	{ { "heap-cma", create_heap, "/dev/dma_heap/default_cma_region", &heap_node }, export_heap },
};

static int open_importer(void)
{
	int fd = open("/edu.ko", O_RDONLY);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		die("/edu.ko");
	close(fd);
	fd = open("/dev/edu", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("/dev/edu");
	return fd;
}

static void measure_dmabuf(int which, int importer, size_t size, double values[DB_METRICS][RUNS], int run)
{
	struct edu_attach attach = { 0 };
	uint64_t t[DB_METRICS + 1];
	char *p;
	int fd;

	t[DB_CREATE] = now();
	fd = exporters[which].kind.create(size);
	if (fd < 0)
		die(exporters[which].kind.name);
	t[DB_EXPORT] = now();
	attach.fd = exporters[which].export(fd, size);
	if (attach.fd < 0)
		die("export");
	t[DB_ATTACH] = now();
	if (ioctl(importer, EDU_ATTACH, &attach))
		die("EDU_ATTACH");
	t[DB_DETACH] = now();
	ioctl(importer, EDU_DETACH);
	t[DB_MMAP] = now();
	p = map(&exporters[which].kind, attach.fd, size);
	t[DB_TOUCH] = now();
	touch(p, size);
	t[DB_MUNMAP] = now();
	munmap(p, size);
	t[DB_CLOSE] = now();
	close(attach.fd);
	close(fd);
	t[DB_METRICS] = now();
	for (int m = 0; m < DB_METRICS; m++)
		values[m][run] = t[m + 1] - t[m];
}

static void bench_dmabuf(void)
{
	static const size_t sizes[] = { MIB, 64 * MIB };
	double values[DB_METRICS][RUNS];
	int importer = open_importer();

	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		for (size_t i = 0; i < sizeof(exporters) / sizeof(*exporters); i++) {
			if (!open_kind(&exporters[i].kind, sizes[s]))
				die(exporters[i].kind.path);
			for (int run = 0; run < 5; run++)
				measure_dmabuf(i, importer, sizes[s], values, run);
			for (int m = 0; m < DB_METRICS; m++)
				report("dmabuf", exporters[i].kind.name, sizes[s], dmabuf_metrics[m],
				       median(values[m], 5));
			close_kind(&exporters[i].kind);
		}
	}
	close(importer);
}

/* --- frames of a camera ---------------------------------------------------------- */

#define FRAMES	16
#define BUFFERS	3

static uint64_t own_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Where a frame goes that is not left where the driver put it. */
struct frames {
	int camera;
	size_t size;
	enum v4l2_memory memory;
	char *copy;
	char *mapped[BUFFERS];
	int fds[BUFFERS];
};

static void queue_frame(const struct frames *f, struct v4l2_buffer *b)
{
	b->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	b->memory = f->memory;
	if (f->memory == V4L2_MEMORY_DMABUF)
		b->m.fd = f->fds[b->index];
	if (ioctl(f->camera, VIDIOC_QBUF, b))
		die("VIDIOC_QBUF");
}

static void start_frames(struct frames *f, const struct kind *k)
{
	struct v4l2_requestbuffers r = {
		.count = BUFFERS,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = f->memory,
	};
	int type = r.type, i;

	if (ioctl(f->camera, VIDIOC_REQBUFS, &r) || r.count != BUFFERS)
		die("VIDIOC_REQBUFS");
	for (i = 0; i < BUFFERS; i++) {
		struct v4l2_buffer b = { .index = i, .type = r.type, .memory = r.memory };

		if (f->memory == V4L2_MEMORY_MMAP) {
			must(!ioctl(f->camera, VIDIOC_QUERYBUF, &b));
			f->mapped[i] = mmap(NULL, f->size, PROT_READ, MAP_SHARED, f->camera, b.m.offset);
			must(f->mapped[i] != MAP_FAILED);
		} else {
			int fd = k->create(f->size);

			must(fd >= 0);
			f->mapped[i] = map(k, fd, f->size);
			f->fds[i] = k->create == create_pages ? export_shmbuf(fd, f->size) : dup(fd);
			must(f->fds[i] >= 0);
			close(fd);
		}
		queue_frame(f, &b);
	}
	if (ioctl(f->camera, VIDIOC_STREAMON, &type))
		die("VIDIOC_STREAMON");
}

static void stop_frames(struct frames *f)
{
	for (int i = 0; i < BUFFERS; i++) {
		munmap(f->mapped[i], f->size);
		if (f->memory == V4L2_MEMORY_DMABUF)
			close(f->fds[i]);
	}
}

/* Sleeps until there is a frame. */
static void take_frame(struct frames *f)
{
	struct v4l2_buffer b = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = f->memory };

	if (!f->memory) {
		must(read(f->camera, f->copy, f->size) == (ssize_t)f->size);
		return;
	}
	if (ioctl(f->camera, VIDIOC_DQBUF, &b))
		die("VIDIOC_DQBUF");
	if (f->copy)
		memcpy(f->copy, f->mapped[b.index], f->size);
	queue_frame(f, &b);
}

/* What a frame costs the process that gets it, from the sleep on. */
static void bench_frames(void)
{
	static const struct {
		const char *name;
		enum v4l2_memory memory;
		const char *kind;	/* of a DMA-BUF, or of the copy */
	} ways[] = {
		{ "read", 0, "anonymous" },
		{ "v4l2-mmap", V4L2_MEMORY_MMAP },
		{ "memfd-copy", V4L2_MEMORY_MMAP, "memfd" },
		{ "heap-system", V4L2_MEMORY_DMABUF, "heap-system" },
		{ "shmbuf", V4L2_MEMORY_DMABUF, "pages" },
	};
	static const unsigned int sizes[][2] = { { 1920, 1080 }, { 3840, 2160 } };
	const struct kind *k;
	uint64_t begin;

	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		for (size_t w = 0; w < sizeof(ways) / sizeof(*ways); w++) {
			struct frames f = { .memory = ways[w].memory };
			bool copies = f.memory != V4L2_MEMORY_DMABUF && ways[w].kind;
			int fd = -1;

			f.camera = open(CAMERA, O_RDWR | O_CLOEXEC);
			if (f.camera < 0)
				die(CAMERA);
			f.size = set_format(f.camera, sizes[s][0], sizes[s][1]).fmt.pix.sizeimage;
			for (k = kinds; k->name && strcmp(k->name, ways[w].kind ?: ""); k++)
				;
			must(!k->name || open_kind(k, f.size));
			if (copies) {
				fd = k->create(f.size);
				must(fd >= 0);
				f.copy = map(k, fd, f.size);
			}
			if (f.memory)
				start_frames(&f, k);
			for (int i = 0; i < 2 * BUFFERS; i++)
				take_frame(&f);
			begin = own_time();
			for (int i = 0; i < FRAMES; i++)
				take_frame(&f);
			report("frames", ways[w].name, f.size, "frame", (double)(own_time() - begin) / FRAMES);
			if (copies) {
				munmap(f.copy, f.size);
				close(fd);
			}
			if (f.memory)
				stop_frames(&f);
			close(f.camera);
			if (k->name)
				close_kind(k);
		}
	}
}

/* --- one operation at a time --------------------------------------------------- */

#define LOOPS	500

/* The median of several times LOOPS; the loop itself costs next to nothing. */
#define MEASURE(group, name, size, metric, operation) do {		\
	double values[RUNS];						\
	uint64_t begin;							\
									\
	for (int run = 0; run < RUNS; run++) {				\
		begin = now();						\
		for (int loop = 0; loop < LOOPS; loop++)		\
			operation;					\
		values[run] = (double)(now() - begin) / LOOPS;		\
	}								\
	report(group, name, size, metric, median(values, RUNS));	\
} while (0)

static void map_and_unmap(int fd)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	must(p != MAP_FAILED);
	munmap(p, PAGE);
}

static void map_touch_unmap(int fd)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	must(p != MAP_FAILED);
	*(volatile char *)p = 1;
	munmap(p, PAGE);
}

static void create_and_close(int (*create)(size_t size))
{
	int fd = create(PAGE);

	must(fd >= 0);
	close(fd);
}

static void signal_buffer(int fd)
{
	struct shmbuf_notify n = { 0 };

	must(!ioctl(fd, SHMBUF_IOC_SIGNAL, &n));
}

static void ack_with(int fd, uint32_t flags)
{
	struct shmbuf_notify n = { .flags = flags };

	must(!ioctl(fd, SHMBUF_IOC_ACK, &n));
}

static void ack_buffer(int fd)
{
	ack_with(fd, 0);
}

static void ask_info(int fd)
{
	struct shmbuf_info info = { 0 };

	must(!ioctl(fd, SHMBUF_IOC_INFO, &info));
}

static void add_no_seal(int fd)
{
	struct shmbuf_seal seal = { 0 };

	must(!ioctl(fd, SHMBUF_IOC_SEAL, &seal));
}

static void sync_page(int fd)
{
	struct shmbuf_sync s = {
		.length = PAGE,
		.direction = SHMBUF_SYNC_READ | SHMBUF_SYNC_WRITE,
	};

	must(!ioctl(fd, SHMBUF_IOC_SYNC, &s));
}

static void reopen(int fd)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	must(again >= 0);
	close(again);
}

static void read_page(int fd)
{
	static char page[PAGE];

	must(pread(fd, page, PAGE, 0) == PAGE);
}

static void write_page(int fd)
{
	static char page[PAGE];

	must(pwrite(fd, page, PAGE, 0) == PAGE);
}

static void use_event(int fd, bool write_it)
{
	uint64_t one = 1;

	must((write_it ? write(fd, &one, sizeof(one)) : read(fd, &one, sizeof(one))) == sizeof(one));
}

static void common_ops(const char *group, const char *name, size_t alive, int (*create)(size_t size), int fd)
{
	MEASURE(group, name, alive, "create+close", create_and_close(create));
	MEASURE(group, name, alive, "mmap+munmap", map_and_unmap(fd));
	MEASURE(group, name, alive, "mmap+touch+munmap", map_touch_unmap(fd));
	MEASURE(group, name, alive, "pread", read_page(fd));
	MEASURE(group, name, alive, "pwrite", write_page(fd));
	MEASURE(group, name, alive, "open+close", reopen(fd));
}

static void shmbuf_ops(const char *group, const char *name, size_t alive, int fd)
{
	MEASURE(group, name, alive, "info", ask_info(fd));
	MEASURE(group, name, alive, "seal", add_no_seal(fd));
	MEASURE(group, name, alive, "sync", sync_page(fd));
	MEASURE(group, name, alive, "signal", signal_buffer(fd));
	MEASURE(group, name, alive, "ack", ack_buffer(fd));
}

static void bench_ops(void)
{
	static const int which[] = { 0, 1, 2, 3 };
	size_t i;
	int fd;

	for (i = 0; i < sizeof(which) / sizeof(*which); i++) {
		const struct kind *k = &kinds[which[i]];

		if (!open_kind(k, PAGE))
			die(k->path);
		fd = k->create(PAGE);
		if (fd < 0) {
			printf("bench: without %s: %s\n", k->name, strerror(errno));
		} else {
			common_ops("ops", k->name, PAGE, k->create, fd);
			shmbuf_ops("ops", k->name, PAGE, fd);
			close(fd);
		}
		close_kind(k);
	}
	fd = create_memfd(PAGE);
	must(fd >= 0);
	common_ops("ops", "memfd", PAGE, create_memfd, fd);
	close(fd);
	fd = eventfd(0, EFD_CLOEXEC);
	MEASURE("ops", "eventfd", PAGE, "signal", use_event(fd, true));
	close(fd);
}

/* --- wake-ups ------------------------------------------------------------------- */

struct channel {
	int in, out;		/* the same but for a pipe */
	bool shmbuf;
	bool poll;
};

static void send_wake(const struct channel *c)
{
	if (c->shmbuf)
		signal_buffer(c->in);
	else
		use_event(c->in, true);
}

static void take_wake(const struct channel *c)
{
	struct pollfd p = { .fd = c->out, .events = POLLIN };

	if (c->poll)
		must(poll(&p, 1, -1) == 1);
	if (c->shmbuf)
		ack_with(c->out, c->poll ? 0 : SHMBUF_NOTIFY_WAIT);
	else
		use_event(c->out, false);
}

static struct channel open_channel(const char *name)
{
	struct channel c = {
		.shmbuf = !strncmp(name, "pages", 5),
		.poll = !strchr(name, '-'),
	};
	int ends[2];

	if (c.shmbuf) {
		c.in = c.out = create_pages(PAGE);
	} else if (!strncmp(name, "eventfd", 7)) {
		c.in = c.out = eventfd(0, EFD_CLOEXEC);
	} else {
		must(!pipe2(ends, O_CLOEXEC));
		c.out = ends[0];
		c.in = ends[1];
	}
	must(c.in >= 0);
	return c;
}

#define TRIPS	2000

/* Two processes wake each other; half a round trip, from a signal to who waits. */
static double round_trips(const char *name)
{
	struct channel there = open_channel(name), back = open_channel(name);
	uint64_t begin;
	double value;
	pid_t pid;
	int i;

	pid = fork();
	must(pid >= 0);
	if (!pid) {
		for (i = 0; i < TRIPS + 1; i++) {
			take_wake(&there);
			send_wake(&back);
		}
		_exit(0);
	}
	send_wake(&there);
	take_wake(&back);
	begin = now();
	for (i = 0; i < TRIPS; i++) {
		send_wake(&there);
		take_wake(&back);
	}
	value = (double)(now() - begin) / TRIPS / 2;
	wait_for(pid);
	close(there.in);
	close(back.in);
	if (there.in != there.out) {
		close(there.out);
		close(back.out);
	}
	return value;
}

static void bench_wake(void)
{
	static const char *const names[] = { "pages", "eventfd", "pipe", "pages-wait", "eventfd-read", "pipe-read" };
	enum { N = sizeof(names) / sizeof(*names) };
	double values[N][RUNS];
	int run, i;

	if (!open_kind(&kinds[0], PAGE))
		die("shmbuf");
	for (run = 0; run < RUNS; run++) {
		for (i = 0; i < N; i++)
			values[i][run] = round_trips(names[i]);
	}
	for (i = 0; i < N; i++)
		report("wake", names[i], 0, "one-way", median(values[i], RUNS));
	close_kind(&kinds[0]);
}

/* --- "memcpy driver or mmap driver" ----------------------------------------------- */

static uint64_t sum(const char *p, size_t size)
{
	const uint64_t *q = (const void *)p;
	uint64_t s = 0;

	for (size_t i = 0; i < size / sizeof(*q); i++)
		s += q[i];
	return s;
}

/*
 * The producer fills the buffer again each time, and what is measured is how the
 * consumer gets at the sum: with its own copy, with a mapping that it has, or with
 * one that it makes for this.
 */
static void measure_copy(const struct kind *k, size_t size)
{
	static const char *const ways[] = { "read", "mapped", "map-afresh" };
	int runs = size < 16 * MIB ? 3 * RUNS : RUNS, run, way, fd;
	char *producer, *mapped, *own, *p;
	double values[3][3 * RUNS], clock;
	uint64_t begin, s = 0;

	if (!open_kind(k, size))
		die(k->name);
	fd = k->create(size);
	if (fd < 0) {
		printf("bench: without copy of %s %zu: %s\n", k->name, size, strerror(errno));
		close_kind(k);
		return;
	}
	producer = map(k, fd, size);
	mapped = map(k, fd, size);
	own = malloc(size);
	must(own);
	memset(own, 1, size);
	s = sum(mapped, size);
	/* What looking at the clock takes. */
	for (run = 0; run < runs; run++) {
		begin = now();
		values[0][run] = now() - begin;
	}
	clock = median(values[0], runs);
	for (run = 0; run < runs; run++) {
		for (way = 0; way < 3; way++) {
			memset(producer, run + way + 1, size);
			begin = now();
			switch (way) {
			case 0:
				must(pread(fd, own, size, 0) == (ssize_t)size);
				s = sum(own, size);
				break;
			case 1:
				s = sum(mapped, size);
				break;
			case 2:
				p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
				must(p != MAP_FAILED);
				s = sum(p, size);
				munmap(p, size);
			}
			values[way][run] = now() - begin - clock;
			if (s != (uint64_t)(size / 8) * (0x0101010101010101ULL * (run + way + 1)))
				die("the sum is wrong");
		}
	}
	for (way = 0; way < 3; way++)
		report("copy", k->name, size, ways[way], median(values[way], runs));
	munmap(producer, size);
	munmap(mapped, size);
	free(own);
	close(fd);
	close_kind(k);
}

static void bench_copy(void)
{
	static const char *const names[] = { "pages", "contig", "memfd" };
	const struct kind *k;
	size_t size, i;

	for (size = PAGE; size <= 64 * MIB; size *= 4) {
		for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
			for (k = kinds; strcmp(k->name, names[i]); k++)
				;
			measure_copy(k, size);
		}
	}
}

/* --- with many alive -------------------------------------------------------------- */

/* With the first half of @fds mapped each time, or none. */
static void measure_scale(const char *name, int (*create)(size_t size), size_t alive, bool mapped)
{
	char label[32];
	int *fds = calloc(alive, sizeof(*fds));
	char **maps = calloc(alive, sizeof(*maps));
	size_t i;

	must(fds && maps);
	for (i = 0; i < alive; i++) {
		fds[i] = create(PAGE);
		must(fds[i] >= 0);
		if (mapped) {
			maps[i] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0);
			must(maps[i] != MAP_FAILED);
			*maps[i] = 1;
		}
	}
	snprintf(label, sizeof(label), "%s%s", name, mapped ? "-mapped" : "");
	common_ops("scale", label, alive, create, fds[alive - 1]);
	if (create == create_pages)
		shmbuf_ops("scale", label, alive, fds[alive - 1]);
	for (i = 0; i < alive; i++) {
		if (mapped)
			munmap(maps[i], PAGE);
		close(fds[i]);
	}
	free(fds);
	free(maps);
}

static void bench_scale(void)
{
	static const size_t alive[] = { 1, 100, 10000 };
	struct rlimit limit = { 20000, 20000 };

	must(!setrlimit(RLIMIT_NOFILE, &limit));
	if (!open_kind(&kinds[0], PAGE))
		die("shmbuf");
	for (int mapped = 0; mapped < 2; mapped++) {
		for (size_t i = 0; i < sizeof(alive) / sizeof(*alive); i++) {
			measure_scale("pages", create_pages, alive[i], mapped);
			measure_scale("memfd", create_memfd, alive[i], mapped);
		}
	}
	close_kind(&kinds[0]);
}

/* --- on two processors -------------------------------------------------------------- */

static void all_of_it(int fd)
{
	signal_buffer(fd);
	ack_buffer(fd);
	map_touch_unmap(fd);
	read_page(fd);
	reopen(fd);
	create_and_close(create_pages);
}

static void make_one(int fd)
{
	create_and_close(create_pages);
}

static void make_memfd(int fd)
{
	create_and_close(create_memfd);
}

static void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(!sched_setaffinity(0, sizeof(set), &set));
}

/*
 * Processes, one on each processor, do the same at the same time; for one of them.
 * Where there is only one, the other processor is busy with nothing.
 */
static double side_by_side(void (*operation)(int fd), const int *fds, int processes, int loops)
{
	volatile int *ready = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t begin;
	pid_t idler = 0, pids[2];
	double value;
	int i, n;

	must(ready != MAP_FAILED);
	if (processes == 1) {
		idler = fork();
		must(idler >= 0);
		if (!idler) {
			on_cpu(1);
			for (;;)
				;
		}
	}
	for (n = 0; n < processes; n++) {
		pids[n] = fork();
		must(pids[n] >= 0);
		if (pids[n])
			continue;
		on_cpu(n);
		__atomic_fetch_add(&ready[0], 1, __ATOMIC_SEQ_CST);
		while (!ready[1])
			sched_yield();
		for (i = 0; i < loops; i++)
			operation(fds[n]);
		_exit(0);
	}
	while (ready[0] < processes)
		usleep(1000);
	begin = now();
	ready[1] = 1;
	for (n = 0; n < processes; n++)
		wait_for(pids[n]);
	value = (double)(now() - begin) / loops;
	if (idler) {
		kill(idler, SIGKILL);
		must(wait(NULL) == idler);
	}
	munmap((void *)ready, PAGE);
	return value;
}

static const struct {
	const char *name;
	void (*operation)(int fd);
	int (*create)(size_t size);
	int loops;
} parallel[] = {
	{ "signal", signal_buffer, create_pages, 20000 },
	{ "mmap+touch+munmap", map_touch_unmap, create_pages, 2000 },
	{ "pread", read_page, create_pages, 20000 },
	{ "create+close", make_one, create_pages, 2000 },
	{ "memfd mmap+touch+munmap", map_touch_unmap, create_memfd, 2000 },
	{ "memfd pread", read_page, create_memfd, 20000 },
	{ "memfd create+close", make_memfd, create_memfd, 2000 },
};

static void bench_cpus(void)
{
	static const char *const ways[] = { "alone", "own", "same" };
	double values[3][RUNS];
	size_t i;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		printf("bench: without cpus: there is one processor\n");
		return;
	}
	if (!open_kind(&kinds[0], PAGE))
		die("shmbuf");
	for (i = 0; i < sizeof(parallel) / sizeof(*parallel); i++) {
		int own[2] = { parallel[i].create(PAGE), parallel[i].create(PAGE) };
		int same[2] = { own[0], own[0] };
		const char *space = strchr(parallel[i].name, ' ');

		must(own[0] >= 0 && own[1] >= 0);
		for (int run = 0; run < RUNS; run++) {
			values[0][run] = side_by_side(parallel[i].operation, own, 1, parallel[i].loops);
			values[1][run] = side_by_side(parallel[i].operation, own, 2, parallel[i].loops);
			values[2][run] = side_by_side(parallel[i].operation, same, 2, parallel[i].loops);
		}
		for (int way = 0; way < 3; way++) {
			char metric[64];

			snprintf(metric, sizeof(metric), "%s:%s", space ? space + 1 : parallel[i].name, ways[way]);
			report("cpus", space ? "memfd" : "pages", 0, metric, median(values[way], RUNS));
		}
		close(own[0]);
		close(own[1]);
	}
	close_kind(&kinds[0]);
}

/* --- what is waited for --------------------------------------------------------------- */

#define LOCK_STAT	"/proc/lock_stat"

/* Each lock that was contended: its name and how often. */
static void report_locks(const char *way)
{
	FILE *f = fopen(LOCK_STAT, "r");
	char line[1024], *name, *end;
	unsigned long bounces, contentions;

	if (!f)
		die(LOCK_STAT);
	while (fgets(line, sizeof(line), f)) {
		end = strrchr(line, ':');
		if (!end || sscanf(end + 1, "%lu %lu", &bounces, &contentions) != 2 || !contentions)
			continue;
		*end = 0;
		name = line + strspn(line, " ");
		for (char *c = name; *c; c++) {
			if (*c == ' ')
				*c = '_';
		}
		report("locks", way, 0, name, contentions);
	}
	fclose(f);
}

static void bench_locks(void)
{
	int own[2], same[2], way;

	if (!open_kind(&kinds[0], PAGE))
		die("shmbuf");
	write_text("/proc/sys/kernel/lock_stat", "1");
	own[0] = same[0] = same[1] = create_pages(PAGE);
	own[1] = create_pages(PAGE);
	must(own[0] >= 0 && own[1] >= 0);
	for (way = 0; way < 2; way++) {
		if (!write_text(LOCK_STAT, "0"))
			die(LOCK_STAT);
		side_by_side(all_of_it, way ? same : own, 2, 20000);
		side_by_side(signal_buffer, way ? same : own, 2, 100000);
		report_locks(way ? "same" : "own");
	}
	close_kind(&kinds[0]);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} groups[] = {
		{ "pages", bench_pages }, { "dmabuf", bench_dmabuf }, { "frames", bench_frames },
		{ "ops", bench_ops }, { "wake", bench_wake },
		{ "copy", bench_copy }, { "scale", bench_scale }, { "cpus", bench_cpus },
		{ "locks", bench_locks },
	};
	const int n = sizeof(groups) / sizeof(*groups);
	int opt, g;

	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Whether a mapping crosses the end of a page table makes a difference. */
	if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
		personality(ADDR_NO_RANDOMIZE);
		execv("/proc/self/exe", argv);
		die("/proc/self/exe");
	}
	while ((opt = getopt(argc, argv, "i")) != -1) {
		if (opt != 'i')
			return 2;
		instructions = true;
	}
	for (; optind < argc; optind++) {
		for (g = 0; g < n && strcmp(groups[g].name, argv[optind]); g++)
			;
		if (g == n) {
			fprintf(stderr, "usage: bench [-i] GROUP...; no group %s\n", argv[optind]);
			return 2;
		}
		groups[g].run();
	}
	printf("bench: done\n");
	return 0;
}
