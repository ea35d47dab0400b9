// SPDX-License-Identifier: Apache-2.0
//
// Writing. One engine write: copy the caller's buffer once (other processes may set hint bits in it meanwhile),
// compare the copy with the old local content, reserve an entry with just the changes, write the copy, commit.
#include "exports.h"

#include <linux/falloc.h>
#include <pthread.h>
#include <string.h>

// ---- Buffers, one set a thread. A signal handler that writes while its thread does gets a set of its own.

struct buffers {
    char copy[BX_WRITE_MAX];
    char old[BX_WRITE_MAX];
    bx_range ranges[BX_MAX_RANGES];
};

static BX_THREAD struct buffers *own_buffers;
static BX_THREAD bool buffers_busy;
static pthread_key_t buffers_key;
static bool have_key;

static void free_buffers(void *buffers) {
    own_buffers = NULL;
    munmap(buffers, sizeof(struct buffers));
}

__attribute__((constructor(102))) static void make_key(void) { have_key = pthread_key_create(&buffers_key, free_buffers) == 0; }

static struct buffers *borrow_buffers(void) {
    if (BX_LIKELY(own_buffers && !buffers_busy)) {
        buffers_busy = true;
        return own_buffers;
    }
    void *made = bx_real.mmap(NULL, sizeof(struct buffers), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) return NULL;
    if (!own_buffers && have_key) {
        own_buffers = made;
        buffers_busy = true;
        pthread_setspecific(buffers_key, made);
    }
    return made;
}

static void return_buffers(struct buffers *buffers) {
    if (buffers == own_buffers) buffers_busy = false;
    else munmap(buffers, sizeof *buffers);
}

// ---- One piece: at most BX_WRITE_MAX, within one aligned BX_WRITE_MAX.

struct piece {
    int fd;
    struct bx_fd *file;
    struct buffers *buffers;
    size_t length;
    off_t offset;
    bool positioned; // pwrite rather than write
    bool holes;      // some of the old content may be absent
    size_t old;      // so many bytes of it lie before the old end of the file
    off_t old_end;   // the old end of the file, where it is before the piece's end
    size_t count;    // ranges
    bool forced;     // some ranges are there because the old content is absent
};

// Writes it all, or sets errno and returns how much was written.
static size_t store(const struct piece *piece) {
    size_t done = 0;
    while (done < piece->length) {
        const char *from = piece->buffers->copy + done;
        size_t left = piece->length - done;
        ssize_t n = piece->positioned ? bx_real.pwrite(piece->fd, from, left, piece->offset + (off_t)done)
                                      : bx_real.write(piece->fd, from, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n == 0) errno = ENOSPC;
            break;
        }
        done += (size_t)n;
    }
    return done;
}

// Puts the old content back after a failed write. False: the local file no longer is what the volume says.
static bool restore(const struct piece *piece, size_t done) {
    int error = errno;
    bool well = true;
    struct stat st;
    size_t before = done < piece->old ? done : piece->old;
    if (piece->forced) {
        // What was absent becomes absent again.
        for (size_t i = 0; i < piece->count && well; i++) {
            off_t from = (piece->offset + piece->buffers->ranges[i].at) & ~(off_t)(BX_HOLE - 1);
            off_t to = (piece->offset + piece->buffers->ranges[i].at + piece->buffers->ranges[i].length + BX_HOLE - 1) &
                       ~(off_t)(BX_HOLE - 1);
            well = bx_real.fallocate(piece->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from) == 0;
        }
    } else if (before > 0) {
        // An append never gets here with before > 0, so the offset is honoured.
        well = bx_pwrite_all(piece->fd, piece->buffers->old, before, piece->offset) == (ssize_t)before;
    }
    if (done > piece->old && fstat(piece->fd, &st) == 0 && st.st_size == piece->offset + (off_t)done)
        well = bx_real.ftruncate(piece->fd, piece->old_end) == 0 && well;
    else if (done > piece->old)
        well = false;
    if (!piece->positioned) lseek(piece->fd, piece->offset, SEEK_SET);
    errno = error;
    return well;
}

// Makes the blocks that the piece covers in part present; those it covers wholly are shipped whole.
static int complete_edges(struct piece *piece) {
    off_t end = piece->offset + (off_t)piece->length;
    off_t first = piece->offset & ~(off_t)(BX_HOLE - 1), last = end & ~(off_t)(BX_HOLE - 1);
    struct stat st;
    if (fstat(piece->fd, &st) != 0) return -1;
    if (first != piece->offset && bx_make_present(piece->fd, piece->file, first, BX_HOLE, true) != 0) return -1;
    if (last != end && end < st.st_size) return bx_make_present(piece->fd, piece->file, last, BX_HOLE, true);
    return 0;
}

static void compare(struct piece *piece) {
    const char *copy = piece->buffers->copy, *old = piece->buffers->old;
    bx_range *ranges = piece->buffers->ranges;
    if (!piece->holes) {
        piece->count = bx_diff(copy, old, 0, piece->length, ranges, 0);
        return;
    }
    int own = bx_private_descriptor(piece->fd, piece->file);
    size_t at = 0;
    while (at < piece->length) {
        off_t hole = at < piece->old && own >= 0 ? lseek(own, piece->offset + (off_t)at, SEEK_HOLE) : -1;
        size_t begin = hole < 0 ? piece->length : (size_t)(hole - piece->offset);
        if (begin >= piece->old) begin = piece->length; // the hole that every file has at its end
        piece->count = bx_diff(copy, old, at, begin, ranges, piece->count);
        at = begin;
        if (at == piece->length) break;
        off_t data = lseek(own, hole, SEEK_DATA);
        size_t stop = data < 0 ? piece->old : (size_t)(data - piece->offset);
        if (stop > piece->old) stop = piece->old;
        if (piece->count > 0 && ranges[piece->count - 1].at + ranges[piece->count - 1].length == at)
            ranges[piece->count - 1].length += (uint32_t)(stop - at);
        else
            ranges[piece->count++] = (bx_range){(uint32_t)at, (uint32_t)(stop - at)};
        piece->forced = true;
        at = stop;
    }
}

// The entry for the piece, published; NULL with errno if there is none to be had.
static bx_entry *describe(const struct piece *piece) {
    const bx_range *ranges = piece->buffers->ranges;
    bool grows = piece->old < piece->length;
    if (grows && piece->count == 0) {
        bx_entry *entry = bx_reserve(BX_OP_ZERO, 0);
        if (!entry) return NULL;
        entry->file = piece->file->id;
        entry->offset = (uint64_t)piece->offset + piece->old;
        entry->length = piece->length - piece->old;
        bx_publish(entry);
        return entry;
    }
    size_t data = 0;
    for (size_t i = 0; i < piece->count; i++) data += ranges[i].length;
    size_t table = piece->count * sizeof(bx_range);
    bx_entry *entry = bx_reserve(BX_OP_WRITE, (uint32_t)(table + data));
    if (!entry) return NULL;
    entry->file = piece->file->id;
    entry->offset = (uint64_t)piece->offset;
    entry->length = piece->length;
    entry->ranges = (uint32_t)piece->count;
    entry->file_size = grows ? (uint64_t)piece->offset + piece->length : 0;
    char *body = (char *)(entry + 1);
    memcpy(body, ranges, table);
    body += table;
    for (size_t i = 0; i < piece->count; i++) {
        memcpy(body, piece->buffers->copy + ranges[i].at, ranges[i].length);
        body += ranges[i].length;
    }
    bx_publish(entry);
    bx_count(shipped_bytes, data);
    return entry;
}

// True, or false with errno.
static bool write_piece(struct piece *piece) {
    if (BX_UNLIKELY(bx_failed())) {
        errno = EIO;
        return false;
    }
    if (BX_UNLIKELY(piece->holes) && complete_edges(piece) != 0) return false;
    if (BX_UNLIKELY(!bx_shipping())) return store(piece) == piece->length;

    piece->count = 0;
    piece->forced = false;
    char *old = piece->buffers->old;
    ssize_t n = bx_real.pread(piece->fd, old, piece->length, piece->offset);
    struct stat st;
    if (BX_UNLIKELY(n < 0)) {
        // Write-only, and not ours to reopen: everything counts as changed.
        if (fstat(piece->fd, &st) != 0) return false;
        off_t inside = st.st_size - piece->offset;
        piece->old = inside < 0 ? 0 : inside > (off_t)piece->length ? piece->length : (size_t)inside;
        piece->old_end = st.st_size;
        piece->buffers->ranges[piece->count++] = (bx_range){0, (uint32_t)piece->length};
    } else {
        piece->old = (size_t)n;
        if (piece->old < piece->length) {
            // Beyond the end there are zeros, so only what differs from zero is shipped.
            memset(old + piece->old, 0, piece->length - piece->old);
            piece->old_end = piece->offset + n;
            if (n == 0) {
                if (fstat(piece->fd, &st) != 0) return false;
                piece->old_end = st.st_size;
            }
        }
        compare(piece);
        if (piece->count == 0 && piece->old == piece->length) // nothing changes
            return piece->positioned || lseek(piece->fd, (off_t)piece->length, SEEK_CUR) >= 0;
    }
    bx_entry *entry = describe(piece);
    if (!entry) return false;
    size_t done = store(piece);
    if (BX_LIKELY(done == piece->length)) {
        bx_finish(entry, BX_COMMITTED);
        return true;
    }
    int error = errno;
    if (done > 0 && (n < 0 || !restore(piece, done))) {
        bx_complain("a failed write could not be undone (descriptor %d): the volume takes no more writes", piece->fd);
        bx_fail_volume();
    }
    bx_finish(entry, BX_ABANDONED);
    errno = error;
    return false;
}

static void gather(char *to, size_t length, const struct iovec **part, size_t *skip) {
    while (length > 0) {
        size_t n = (*part)->iov_len - *skip;
        if (n > length) n = length;
        memcpy(to, (const char *)(*part)->iov_base + *skip, n);
        to += n;
        length -= n;
        *skip += n;
        if (*skip == (*part)->iov_len) {
            ++*part;
            *skip = 0;
        }
    }
}

ssize_t bx_write_file(int fd, struct bx_fd *file, const struct iovec *parts, int count, off_t offset, bool positioned) {
    uint64_t total = 0;
    for (int i = 0; i < count; i++) total += parts[i].iov_len;
    if (!(file->flags & BX_FD_WRITABLE)) errno = EBADF;
    else if (count < 0 || count > 1024 || total > INT64_MAX || (positioned && offset < 0)) errno = EINVAL;
    else if (total == 0) return 0;
    else goto valid;
    return -1;
valid:;
    struct buffers *buffers = borrow_buffers();
    if (!buffers) {
        errno = ENOMEM;
        return -1;
    }
    const bool append = file->flags & BX_FD_APPEND;
    struct stat st;
    uint64_t done = 0;
    bool well = true;
    int saved = errno;
    if (append) {
        // Nobody may append between our look at the size and our write.
        bx_lock(0);
        well = fstat(fd, &st) == 0;
        offset = st.st_size;
    } else if (!positioned) {
        offset = lseek(fd, 0, SEEK_CUR);
        well = offset >= 0;
    }
    size_t skip = 0;
    while (well && done < total) {
        struct piece piece = {.fd = fd, .file = file, .buffers = buffers, .offset = offset + (off_t)done, .positioned = positioned};
        uint64_t room = BX_WRITE_MAX - (uint64_t)piece.offset % BX_WRITE_MAX;
        piece.length = total - done < room ? total - done : room;
        while (parts->iov_len == skip) parts++, skip = 0;
        gather(buffers->copy, piece.length, &parts, &skip);
        if (BX_UNLIKELY(bx_guarded(file))) {
            struct bx_lock_set set;
            bx_lock_span(&set, file->inode, (uint64_t)piece.offset, (uint64_t)piece.offset + piece.length);
            piece.holes = bx_may_have_holes(file);
            well = write_piece(&piece);
            int error = errno;
            bx_unlock_span(&set);
            errno = error;
        } else {
            well = write_piece(&piece);
        }
        if (well) done += piece.length;
    }
    int error = errno;
    if (append) bx_unlock(0);
    return_buffers(buffers);
    errno = error;
    if (done == 0) return -1;
    bx_count(writes, 1);
    bx_count(write_bytes, done);
    if ((file->flags & BX_FD_SYNC) && bx_wait_durable() != 0) return -1;
    errno = saved;
    return (ssize_t)done;
}

ssize_t bx_write_plain(int fd, const void *from, size_t length) {
    struct bx_fd *file = bx_file_at(fd);
    if (BX_LIKELY(!file)) return bx_real.write(fd, from, length);
    struct iovec part = {(void *)from, length};
    return bx_write_file(fd, file, &part, 1, 0, false);
}

static ssize_t pwrite_plain(int fd, const void *from, size_t length, off_t offset) {
    struct bx_fd *file = bx_file_at(fd);
    if (BX_LIKELY(!file)) return bx_real.pwrite(fd, from, length, offset);
    struct iovec part = {(void *)from, length};
    return bx_write_file(fd, file, &part, 1, offset, true);
}

ssize_t write(int fd, const void *from, size_t length) { return bx_write_plain(fd, from, length); }
ssize_t pwrite(int fd, const void *from, size_t length, off_t offset) { return pwrite_plain(fd, from, length, offset); }
ssize_t pwrite64(int fd, const void *from, size_t length, off64_t offset) { return pwrite_plain(fd, from, length, offset); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
    struct bx_fd *file = bx_file_at(fd);
    return file ? bx_write_file(fd, file, parts, count, 0, false) : bx_real.writev(fd, parts, count);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    struct bx_fd *file = bx_file_at(fd);
    return file ? bx_write_file(fd, file, parts, count, offset, true) : bx_real.pwritev(fd, parts, count, offset);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    struct bx_fd *file = bx_file_at(fd);
    return file ? bx_write_file(fd, file, parts, count, offset, true) : bx_real.pwritev64(fd, parts, count, offset);
}

static ssize_t flagged_write(int fd, struct bx_fd *file, const struct iovec *parts, int count, off_t offset, int flags) {
    if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC)) { // RWF_APPEND, RWF_NOWAIT and what may come
        errno = EOPNOTSUPP;
        return -1;
    }
    ssize_t n = bx_write_file(fd, file, parts, count, offset, offset != -1);
    if (n > 0 && (flags & (RWF_DSYNC | RWF_SYNC)) && bx_wait_durable() != 0) return -1;
    return n;
}
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    struct bx_fd *file = bx_file_at(fd);
    return file ? flagged_write(fd, file, parts, count, offset, flags) : bx_real.pwritev2(fd, parts, count, offset, flags);
}
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags) {
    struct bx_fd *file = bx_file_at(fd);
    return file ? flagged_write(fd, file, parts, count, offset, flags) : bx_real.pwritev64v2(fd, parts, count, offset, flags);
}

// ---- Import.

int bx_ship_content(int fd, uint64_t id, uint64_t size) {
    struct buffers *buffers = borrow_buffers();
    if (!buffers) return -1;
    struct bx_fd file = {.id = id};
    int status = 0;
    memset(buffers->old, 0, sizeof buffers->old);
    for (uint64_t at = 0; at < size;) {
        struct piece piece = {.fd = fd, .file = &file, .buffers = buffers, .offset = (off_t)at};
        size_t want = size - at < BX_WRITE_MAX ? size - at : BX_WRITE_MAX;
        ssize_t n = bx_real.pread(fd, buffers->copy, want, (off_t)at);
        if (n <= 0) {
            if (n == 0) errno = EIO; // it shrank under our hands
            status = -1;
            break;
        }
        piece.length = (size_t)n;
        piece.count = bx_diff(buffers->copy, buffers->old, 0, piece.length, buffers->ranges, 0);
        bx_entry *entry = describe(&piece);
        if (!entry) {
            status = -1;
            break;
        }
        bx_finish(entry, BX_COMMITTED);
        at += (uint64_t)n;
    }
    return_buffers(buffers);
    return status;
}

// ---- Size.

int bx_set_size(int fd, struct bx_fd *file, off_t size) {
    struct stat st;
    struct bx_lock_set set;
    bx_entry *entry = NULL;
    int status = -1;
    if (!(file->flags & BX_FD_WRITABLE) || size < 0) {
        errno = EINVAL;
        return -1;
    }
    if (fstat(fd, &st) != 0) return -1;
    bool guarded = bx_guarded(file);
    if (guarded) {
        // A fill in a chunk that is cut off would let the file grow again.
        bx_lock_span(&set, file->inode, (uint64_t)(size < st.st_size ? size : st.st_size), (uint64_t)st.st_size);
    }
    if (bx_failed()) {
        errno = EIO;
    } else if (size == st.st_size) {
        status = 0;
    } else if (!bx_shipping() || (entry = bx_reserve(BX_OP_SIZE, 0))) {
        if (entry) {
            entry->file = file->id;
            entry->offset = (uint64_t)size;
            bx_publish(entry);
        }
        status = bx_real.ftruncate(fd, size);
        int error = errno;
        bx_finish(entry, status == 0 ? BX_COMMITTED : BX_ABANDONED);
        errno = error;
    }
    int error = errno;
    if (guarded) bx_unlock_span(&set);
    errno = error;
    return status;
}

static int truncate_descriptor(int fd, off_t size) {
    struct bx_fd *file = bx_file_at(fd);
    if (!file) return bx_real.ftruncate(fd, size);
    int status = bx_set_size(fd, file, size);
    if (status == 0 && (file->flags & BX_FD_SYNC)) return bx_wait_durable();
    return status;
}

static int truncate_path(const char *path, off_t size) {
    struct bx_place place;
    if (!bx_active() || bx_place_following(AT_FDCWD, path, &place) != 0 || place.where != BX_VOLUME)
        return bx_real.truncate(path, size);
    int fd = bx_open_any(AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return -1;
    int status = truncate_descriptor(fd, size), error = errno;
    bx_close_descriptor(fd);
    errno = error;
    return status;
}

int ftruncate(int fd, off_t length) { return truncate_descriptor(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_descriptor(fd, length); }
int truncate(const char *path, off_t length) { return truncate_path(path, length); }
int truncate64(const char *path, off64_t length) { return truncate_path(path, length); }

// ---- Allocation.

static bool write_zeros(int fd, off_t from, off_t to) {
    static const char zeros[65536];
    while (from < to) {
        size_t n = to - from < (off_t)sizeof zeros ? (size_t)(to - from) : sizeof zeros;
        if (bx_pwrite_all(fd, zeros, n, from) != (ssize_t)n) return false;
        from += (off_t)n;
    }
    return true;
}

// Zeroes [offset, offset + length). Locally: a punched hole where nothing can be absent, else real zeros.
int bx_zero_range(int fd, struct bx_fd *file, off_t offset, off_t length, bool keep_size, bool punch) {
    struct stat st;
    struct bx_lock_set set;
    bx_entry *entry = NULL;
    int status = -1;
    off_t end = offset + length;
    (void)punch;
    if (bx_failed()) {
        errno = EIO;
        return -1;
    }
    bool guarded = bx_guarded(file);
    if (guarded) bx_lock_span(&set, file->inode, (uint64_t)offset, (uint64_t)end);
    if (fstat(fd, &st) != 0) goto out;
    off_t inside = end < st.st_size ? end : st.st_size;
    bool grows = !keep_size && end > st.st_size, holes = guarded && bx_may_have_holes(file);
    if (holes && (offset & (BX_HOLE - 1)) && bx_make_present(fd, file, offset & ~(off_t)(BX_HOLE - 1), BX_HOLE, true) != 0) goto out;
    if (holes && (inside & (BX_HOLE - 1)) && bx_make_present(fd, file, inside & ~(off_t)(BX_HOLE - 1), BX_HOLE, true) != 0) goto out;
    if (bx_shipping()) {
        if (!(entry = bx_reserve(BX_OP_ZERO, 0))) goto out;
        entry->file = file->id;
        entry->offset = (uint64_t)offset;
        entry->length = (uint64_t)length;
        entry->flags = keep_size ? BX_KEEP_SIZE : 0;
        bx_publish(entry);
    }
    bool well = true, touched = false;
    if (offset < inside) {
        if (holes || bx_real.fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, inside - offset) != 0)
            well = write_zeros(fd, offset, inside);
        touched = true;
    }
    if (well && grows) well = bx_real.ftruncate(fd, end) == 0;
    int error = errno;
    if (!well && touched) {
        bx_complain("zeroing a range failed half-way: the volume takes no more writes");
        bx_fail_volume();
    }
    bx_finish(entry, well ? BX_COMMITTED : BX_ABANDONED);
    errno = error;
    status = well ? 0 : -1;
out:;
    int last = errno;
    if (guarded) bx_unlock_span(&set);
    errno = last;
    return status;
}

static int allocate(int fd, struct bx_fd *file, int mode, off_t offset, off_t length) {
    struct stat st;
    if (offset < 0 || length <= 0) {
        errno = EINVAL;
        return -1;
    }
    if (!(file->flags & BX_FD_WRITABLE)) {
        errno = EBADF;
        return -1;
    }
    if (offset + length < 0) {
        errno = EFBIG;
        return -1;
    }
    int status;
    switch (mode) {
    case 0:
        // Room in the local cache is not worth reserving.
        if (fstat(fd, &st) != 0) return -1;
        status = offset + length > st.st_size ? bx_set_size(fd, file, offset + length) : 0;
        break;
    case FALLOC_FL_KEEP_SIZE:
        return 0;
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
        status = bx_zero_range(fd, file, offset, length, true, true);
        break;
    case FALLOC_FL_ZERO_RANGE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
        status = bx_zero_range(fd, file, offset, length, mode & FALLOC_FL_KEEP_SIZE, false);
        break;
    default:
        errno = EOPNOTSUPP;
        return -1;
    }
    if (status == 0 && (file->flags & BX_FD_SYNC)) return bx_wait_durable();
    return status;
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    struct bx_fd *file = bx_file_at(fd);
    return file ? allocate(fd, file, mode, offset, length) : bx_real.fallocate(fd, mode, offset, length);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    struct bx_fd *file = bx_file_at(fd);
    return file ? allocate(fd, file, mode, offset, length) : bx_real.fallocate64(fd, mode, offset, length);
}
// These two return the error and leave errno alone.
static int allocate_returning(int fd, struct bx_fd *file, off_t offset, off_t length) {
    int saved = errno;
    int error = allocate(fd, file, 0, offset, length) == 0 ? 0 : errno;
    errno = saved;
    return error;
}
int posix_fallocate(int fd, off_t offset, off_t length) {
    struct bx_fd *file = bx_file_at(fd);
    return file ? allocate_returning(fd, file, offset, length) : bx_real.posix_fallocate(fd, offset, length);
}
int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    struct bx_fd *file = bx_file_at(fd);
    return file ? allocate_returning(fd, file, offset, length) : bx_real.posix_fallocate64(fd, offset, length);
}

// ---- Copies inside the kernel become a read and a write.

static ssize_t copy(int from, off_t *from_offset, int to, off_t *to_offset, size_t length) {
    const size_t room = BX_WRITE_MAX;
    char *buffer = bx_real.mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED) return -1;
    size_t done = 0;
    ssize_t status = 0;
    while (done < length) {
        size_t want = length - done < room ? length - done : room;
        ssize_t n = from_offset ? bx_pread_plain(from, buffer, want, *from_offset) : bx_read_plain(from, buffer, want);
        if (n <= 0) {
            status = n;
            break;
        }
        ssize_t put = to_offset ? pwrite_plain(to, buffer, (size_t)n, *to_offset) : bx_write_plain(to, buffer, (size_t)n);
        if (put > 0) {
            done += (size_t)put;
            if (from_offset) *from_offset += put;
            if (to_offset) *to_offset += put;
        }
        if (put < n) {
            if (!from_offset) lseek(from, (put > 0 ? put : 0) - n, SEEK_CUR);
            status = put;
            break;
        }
    }
    int error = errno;
    munmap(buffer, room);
    errno = error;
    return done > 0 ? (ssize_t)done : status;
}

ssize_t copy_file_range(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t length, unsigned int flags) {
    if (!bx_file_at(from) && !bx_file_at(to)) return bx_real.copy_file_range(from, from_offset, to, to_offset, length, flags);
    return copy(from, from_offset, to, to_offset, length);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t length) {
    struct bx_fd *source = bx_file_at(from);
    if (bx_file_at(to) || (source && bx_guarded(source))) return copy(from, offset, to, NULL, length);
    return bx_real.sendfile(to, from, offset, length);
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t length) {
    struct bx_fd *source = bx_file_at(from);
    if (bx_file_at(to) || (source && bx_guarded(source))) return copy(from, offset, to, NULL, length);
    return bx_real.sendfile64(to, from, offset, length);
}
ssize_t splice(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t length, unsigned int flags) {
    struct bx_fd *source = bx_file_at(from);
    if (bx_file_at(to) || (source && bx_guarded(source))) {
        errno = EINVAL; // what a file system without splice says; programs fall back to read and write
        return -1;
    }
    return bx_real.splice(from, from_offset, to, to_offset, length, flags);
}
