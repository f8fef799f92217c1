// SPDX-License-Identifier: GPL-2.0
/*
 * The costs of usbmon and comedi in instructions, as "NAME INSTRUCTIONS" lines. The time
 * stamp counter must count instructions: QEMU's -icount shift=0.
 *
 * usbmon: the events of one control transfer of a root hub, without the transfer itself.
 * comedi: 64 KiB of samples by read() and by write().
 *
 * usage: clients COMEDI_TEST.KO
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/comedi.h>
#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#define MON_IOCT_RING_SIZE	_IO(0x92, 4)
#define MON_IOCQ_RING_SIZE	_IO(0x92, 5)
#define MON_IOCH_MFLUSH		_IO(0x92, 8)
#define TRANSFERS		200
#define ROUNDS			50
#define BLOCK			65536

static void die(const char *what)
{
	fprintf(stderr, "clients: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		die(path);
	return fd;
}

static int compare(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;

	return x < y ? -1 : x > y;
}

/* The median of all transfers, so that timer interrupts do not count. */
static unsigned long long transfers(int hub, int mon)
{
	static unsigned long long spent[ROUNDS * TRANSFERS];
	unsigned long long start, *p = spent;
	unsigned char descriptor[256];
	struct usbdevfs_ctrltransfer transfer = {
		.bRequestType = 0x80, .bRequest = 6, .wValue = 0x200,
		.wLength = sizeof(descriptor), .timeout = 1000, .data = descriptor,
	};
	int round, n;

	for (round = 0; round < ROUNDS; round++) {
		for (n = 0; n < TRANSFERS; n++) {
			start = __rdtsc();
			if (ioctl(hub, USBDEVFS_CONTROL, &transfer) < 0)
				die("USBDEVFS_CONTROL");
			*p++ = __rdtsc() - start;
		}
		if (mon >= 0 && ioctl(mon, MON_IOCH_MFLUSH, 1 << 30) < 2 * TRANSFERS)
			die("MON_IOCH_MFLUSH: events were dropped");
	}
	qsort(spent, ROUNDS * TRANSFERS, sizeof(*spent), compare);
	return spent[ROUNDS * TRANSFERS / 2];
}

static void usbmon(void)
{
	int hub = open_file("/dev/bus/usb/001/001", O_RDWR), mon;
	unsigned long long alone = transfers(hub, -1);
	void *ring;
	int size;

	mon = open_file("/dev/usbmon1", O_RDONLY);
	printf("usbmon.urb_unmapped %llu\n", transfers(hub, mon) - alone);
	size = ioctl(mon, MON_IOCQ_RING_SIZE);
	ring = mmap(NULL, size, PROT_READ, MAP_SHARED, mon, 0);
	if (ring == MAP_FAILED)
		die("mmap of the ring");
	printf("usbmon.urb_mapped %llu\n", transfers(hub, mon) - alone);
	munmap(ring, size);
}

static void command(int fd, unsigned int subdevice, int samples)
{
	unsigned int channel = 0;
	struct comedi_cmd cmd = {
		.subdev = subdevice, .start_src = TRIG_NOW,
		.scan_begin_src = TRIG_TIMER, .scan_begin_arg = 1000,
		.convert_src = TRIG_NOW, .scan_end_src = TRIG_COUNT, .scan_end_arg = 1,
		.stop_src = samples ? TRIG_COUNT : TRIG_NONE, .stop_arg = samples,
		.chanlist = &channel, .chanlist_len = 1,
	};

	if (subdevice == 1) {
		cmd.start_src = TRIG_INT;
		cmd.scan_begin_arg = 1000000;
	}
	if (ioctl(fd, COMEDI_CMDTEST, &cmd) < 0 || ioctl(fd, COMEDI_CMDTEST, &cmd) < 0 ||
	    ioctl(fd, COMEDI_CMD, &cmd) < 0)
		die("COMEDI_CMD");
}

static void comedi(void)
{
	static char block[BLOCK];
	int fd = open_file("/dev/comedi0", O_RDWR), n;
	unsigned long long start, least = ~0ULL, spent;
	struct comedi_bufinfo info = { .subdevice = 0 };

	/* The device fills the buffer, then read() empties it block by block. */
	command(fd, 0, 16 * BLOCK / 2);
	do {
		usleep(10000);
		info.bytes_read = 0;
		if (ioctl(fd, COMEDI_BUFINFO, &info) < 0)
			die("COMEDI_BUFINFO");
	} while (info.buf_write_count < 16 * BLOCK);
	for (n = 0; n < 15; n++) {
		start = __rdtsc();
		if (read(fd, block, BLOCK) != BLOCK)
			die("read");
		spent = __rdtsc() - start;
		if (spent < least)
			least = spent;
	}
	printf("comedi.read_64k %llu\n", least);
	ioctl(fd, COMEDI_CANCEL, 0);

	least = ~0ULL;
	command(fd, 1, 0);
	for (n = 0; n < 15; n++) {
		start = __rdtsc();
		if (write(fd, block, BLOCK) != BLOCK)
			die("write");
		spent = __rdtsc() - start;
		if (spent < least)
			least = spent;
	}
	printf("comedi.write_64k %llu\n", least);
	ioctl(fd, COMEDI_CANCEL, 1);
	close(fd);
}

static void load(const char *module)
{
	int fd = open_file(module, O_RDONLY);

	if (syscall(SYS_finit_module, fd, "", 0))
		die(module);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: clients COMEDI_TEST.KO\n");
		return 1;
	}
	load(argv[1]);
	/* Devices are still being found, and the clock that usbmon reads changes. */
	sleep(5);
	usbmon();
	comedi();
	/* The buffers go with the device. */
	if (syscall(SYS_delete_module, "comedi_test", 0))
		die("delete_module");
	return 0;
}
