// SPDX-License-Identifier: Apache-2.0
//
// The shared-memory ABI between the shim (inside every engine process) and the driver.
//
// One file, mapped by all processes of one engine run, holds four areas:
//
//   control      one bx_ring: positions, wake-up words, limits
//   file table   open-addressing hash: local inode -> volume file id
//   fetch slots  requests for blocks that the local cache lacks, with a data buffer each
//   log          a byte ring of entries, each a file operation, in the order they happened
//
// Order. An entry is *reserved* (its header published with BX_RESERVED) before the operation touches the
// local file and *committed* after it did. Happens-before between two engine processes (a lock, a fork)
// therefore orders their entries. The consumer stops at the first entry that is not committed; if its
// producer is dead, the entry is *in doubt*, and the header says which bytes of which file that concerns.
//
// Positions are monotonic 64-bit byte counts; (position & (log_bytes - 1)) is the place in the log area.
// Entries are BX_ALIGN-aligned and never wrap: a BX_OP_PAD entry fills the rest of the area. The consumer
// zeroes what it consumed before it advances `head`, so an unpublished header reads as BX_EMPTY.
//
// Waiting. A waiter waits for a position, never for a flag: it computes its target, raises `wanted` to it
// (atomic max), rings the doorbell, and sleeps on `durable_seq` until `durable` passes the target or
// `state` is BX_FAILED (then EIO).
//
// The doorbell is an eventfd inherited by all engine processes (BOREALIS_DOORBELL_FD). It is written only
// by whoever changes `consumer_asleep` from non-zero to 0, so a busy consumer costs producers nothing.
#ifndef BOREALIS_RING_H
#define BOREALIS_RING_H

#include <stdint.h>

#define BX_MAGIC 0x31474e4952585842ull /* "BXXRING1" */
#define BX_VERSION 2u
#define BX_ALIGN 64u
#define BX_LOCKS 4096u
#define BX_FETCH_BYTES (128u * 1024u) /* one fetch: this much at most, and aligned to it */
#define BX_BLOCK 8192u                /* unit in which content is versioned by the storage nodes */
#define BX_PATH_MAX 1024u
/* Longest data of one entry. A longer engine write becomes several entries (engine pages are 64 KiB at most). */
#define BX_WRITE_MAX (256u * 1024u)

enum { BX_OPEN = 0, BX_FAILED = 1 };

/* bx_ring.mode */
enum {
    BX_MODE_LOCAL = 1,    /* copy-on-write mount: nothing is shipped, a sync returns at once */
    BX_MODE_EVICTING = 2, /* the driver may evict: every access takes the range lock */
};

/* bx_entry.state */
enum { BX_EMPTY = 0, BX_RESERVED = 1, BX_COMMITTED = 2, BX_ABANDONED = 3 };

/* bx_entry.op. Paths are relative to the volume root, NUL-terminated, without a leading '/'. */
enum {
    BX_OP_PAD = 1,      /* skip `size` bytes */
    BX_OP_CREATE = 2,   /* body: path; `file` is the new id; `offset` = mode bits */
    BX_OP_WRITE = 3,    /* body: bx_range[ranges], then the data of each range back to back */
    BX_OP_ZERO = 4,     /* [offset, offset+length) becomes zero; file grows to offset+length unless BX_KEEP_SIZE */
    BX_OP_SIZE = 5,     /* file size becomes `offset` (shrinks or grows with zeros) */
    BX_OP_RENAME = 6,   /* body: old path NUL new path; replaces the target if it exists */
    BX_OP_LINK = 7,     /* body: existing path NUL new path */
    BX_OP_UNLINK = 8,   /* body: path; `file` is the id it named */
    BX_OP_MKDIR = 9,    /* body: path; `offset` = mode bits */
    BX_OP_RMDIR = 10,   /* body: path */
    BX_OP_SYMLINK = 11, /* body: target NUL link path */
    BX_OP_CHMOD = 12,   /* body: path; `offset` = mode bits */
    BX_OP_MARKER = 13,  /* body: free text, for tests and tools */
};

/* bx_entry.flags */
enum { BX_KEEP_SIZE = 1 };

typedef struct bx_range {
    uint32_t at;     /* bytes from bx_entry.offset */
    uint32_t length; /* bytes */
} bx_range;

typedef struct bx_entry { /* 64 bytes; the body follows */
    uint32_t state;       /* atomic; stored last, with release, when published */
    uint32_t size;        /* whole entry, a multiple of BX_ALIGN */
    uint16_t op;
    uint16_t flags;
    uint32_t pid;
    uint64_t file;   /* volume file id, 0 if the op has none */
    uint64_t offset; /* of the engine's call */
    uint64_t length; /* of the engine's call: with offset, the bytes in doubt while reserved */
    uint32_t body_length;
    uint32_t ranges;    /* BX_OP_WRITE: number of bx_range; 0 ranges with length > 0: nothing changed but the size may grow */
    uint64_t file_size; /* BX_OP_WRITE: size the file has at least after this call, 0 = did not grow */
    uint32_t reserved[2];
} bx_entry;

/* bx_file.flags */
enum {
    BX_FILE_HOLES = 1,  /* may lack blocks: a hole in the local file is a block to fetch */
    BX_FILE_MAPPED = 2, /* somebody reads it through a mapping: no block of it may be evicted any more */
};

typedef struct bx_file { /* 32 bytes */
    uint64_t inode;      /* atomic; 0 never used, UINT64_MAX removed */
    uint64_t id;         /* atomic; 0 while being filled */
    uint32_t flags;      /* atomic */
    uint32_t evictions;  /* atomic seqlock: odd while blocks are being punched out */
    uint64_t reserved;
} bx_file;

// Where an inode's slot may be: at most BX_FILE_PROBE slots from its hash on, wrapping around. The bound keeps a
// miss cheap when years of creating and removing have left no slot that was never used. Size the table for a load
// of one half at most. Insert: claim a slot whose inode is 0 or UINT64_MAX by compare-and-swap, store flags and
// evictions, then id with release. Remove: compare-and-swap id to 0, then store inode = UINT64_MAX.
#define BX_FILE_PROBE 256u
static inline uint64_t bx_file_hash(uint64_t inode) {
    inode *= 0x9e3779b97f4a7c15ull;
    return inode ^ (inode >> 32);
}

// The range lock of the BX_FETCH_BYTES-aligned chunk that holds `offset`. Lock 0 is the append lock, which no chunk
// maps to. Whoever takes several locks takes them in ascending order.
static inline uint32_t bx_lock_index(uint64_t inode, uint64_t offset) {
    return 1 + (uint32_t)(bx_file_hash(inode * 31 + offset / BX_FETCH_BYTES) % (BX_LOCKS - 1));
}

/* bx_fetch.state */
// A hint asks for nothing back: the driver frees the slot when it has read it, and fills the chunk into the local file by
// itself, or does not.
enum { BX_FETCH_FREE = 0, BX_FETCH_CLAIMED = 1, BX_FETCH_ASKED = 2, BX_FETCH_DONE = 3, BX_FETCH_ERROR = 4, BX_FETCH_HINTED = 5 };

typedef struct bx_fetch { /* 64 bytes; data at fetch_data_offset + index * BX_FETCH_BYTES */
    uint32_t state;       /* atomic futex word */
    uint32_t pid;
    uint64_t file;
    uint64_t offset; /* multiple of BX_FETCH_BYTES */
    uint32_t length; /* bytes asked for */
    uint32_t error;  /* errno when BX_FETCH_ERROR */
    uint64_t reserved[4];
} bx_fetch;

typedef struct bx_ring {
    uint64_t magic;
    uint32_t version;
    uint32_t mode;
    uint64_t total_bytes;
    uint64_t file_table_offset, file_table_slots; /* slots: a power of two */
    uint64_t fetch_offset, fetch_slots, fetch_data_offset;
    uint64_t log_offset, log_bytes; /* log_bytes: a power of two */
    uint32_t state;                 /* atomic; BX_OPEN or BX_FAILED */
    uint32_t driver_pid;
    uint8_t pad0[40];

    uint64_t tail; /* atomic: reserved up to here */
    uint8_t pad1[56];
    uint64_t head; /* atomic: consumed up to here, free below */
    uint8_t pad2[56];
    uint64_t durable; /* atomic: all entries ending at or below are durable on a write quorum */
    uint8_t pad3[56];
    uint64_t wanted; /* atomic max: somebody waits for this position */
    uint8_t pad4[56];
    uint32_t consumer_asleep; /* atomic: 0 awake, 1 wake for waiters, 2 wake for any entry */
    uint32_t durable_seq;     /* futex word, changes with every advance of durable or state */
    uint32_t durable_waiters; /* atomic */
    uint32_t space_seq;       /* futex word, changes when head advances and space_waiters > 0 */
    uint32_t space_waiters;   /* atomic */
    uint32_t fetch_asked;     /* atomic: number of slots in BX_FETCH_ASKED or BX_FETCH_HINTED */
    uint64_t next_file_id;    /* atomic: id for the next created file */
    uint8_t pad5[32];

    /* Counters, relaxed; for tests and `borealis volume stat`. */
    uint64_t writes, write_bytes, shipped_bytes, syncs, sync_waits, fetches, wakes, creates;

    uint32_t locks[BX_LOCKS]; /* range locks: 0 free, else owner's tid (| 0x80000000 when contended) */
} bx_ring;

_Static_assert(sizeof(bx_entry) == 64, "bx_entry is 64 bytes");
_Static_assert(sizeof(bx_file) == 32, "bx_file is 32 bytes");
_Static_assert(sizeof(bx_fetch) == 64, "bx_fetch is 64 bytes");

#endif
