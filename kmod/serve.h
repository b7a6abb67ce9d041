/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 the Tidemark authors */
#ifndef TM_SERVE_H
#define TM_SERVE_H

#include <linux/bio.h>
#include <linux/kref.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/tidemark_serve.h>

struct tm_server;
struct mapped_device;
struct vm_area_struct;

/* What rides on a bio of the device. */
struct tm_serve_io {
	unsigned long since; /* jiffies */
};

struct tm_serve_queue {
	spinlock_t lock;
	struct bio_list waiting;  /* lock; the oldest first */
	struct tm_server *server; /* lock; NULL: nobody serves */
	wait_queue_head_t servers;
};

struct tm_serve_features {
	unsigned int nr_queues;
	unsigned int nr_tags;
	unsigned int slot_sectors;
	unsigned int timeout_ms;
	bool read_only, discard, zeroes;
};

/* One table's device. Lives as long as the table or a server has it. */
struct tm_serve {
	struct kref ref;
	struct mapped_device *md; /* for comparison alone once dead */
	u64 nr_sectors;
	struct tm_serve_features features;
	bool live; /* serves_mutex; resumed */
	bool dead; /* the queues' locks; the table is gone */
	bool fails; /* the queues' locks; what comes fails, until somebody serves */
	struct list_head node; /* serves_mutex */
	struct delayed_work expiry;
	atomic64_t nr_answered, nr_failed, nr_servers;
	struct tm_serve_queue queues[];
};

int tm_serve_init(void);
void tm_serve_exit(void);

/* May sleep, as far as nothing else is said. */
struct tm_serve *tm_serve_create(struct mapped_device *md, u64 nr_sectors,
				 const struct tm_serve_features *features);
/* With no bio under way: the table goes. */
void tm_serve_end(struct tm_serve *serve);
void tm_serve_go_live(struct tm_serve *serve);
/* Any context. */
void tm_serve_submit(struct tm_serve *serve, struct bio *bio);
/* What waits now, and comes before somebody serves. */
void tm_serve_fail(struct tm_serve *serve);

struct tm_serve_counts {
	unsigned int nr_waiting, nr_sent;
	bool served; /* each queue */
};
void tm_serve_count(struct tm_serve *serve, struct tm_serve_counts *ret_counts);

/* Errors: as TIDEMARK_SERVE_IOC_BIND. */
struct tm_server *tm_server_create(dev_t mapped, unsigned int queue);
void tm_server_destroy(struct tm_server *server);
const struct tm_serve *tm_server_device(const struct tm_server *server);
int tm_server_answer(struct tm_server *server, const struct tidemark_serve_answer *answer);
/* How many came; -ENODEV, -ESTALE, -EINTR. */
int tm_server_receive(struct tm_server *server, struct tidemark_serve_request *ret_requests,
		      unsigned int nr_max, unsigned int wait_ms);
int tm_server_mmap(struct tm_server *server, struct vm_area_struct *vma);
bool tm_server_has_news(struct tm_server *server, struct file *file,
			struct poll_table_struct *wait);

#endif
