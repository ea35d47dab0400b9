// SPDX-License-Identifier: Apache-2.0
//
// Names: rename, link, unlink, directories, modes. Each reserves an entry, performs the call, then commits or abandons.
#include "exports.h"

#include <limits.h>
#include <linux/fs.h>
#include <string.h>

// What a name stands for before the call. The O_PATH descriptor keeps the inode from being given to another file
// until its slot in the file table is gone.
struct named {
    int fd;
    struct stat st;
    uint64_t id;
};

static void hold(struct named *named, int dir, const char *path) {
    uint32_t slot;
    named->id = 0;
    named->fd = bx_real.openat(dir, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (named->fd < 0) return;
    if (fstat(named->fd, &named->st) != 0) {
        bx_real.close(named->fd);
        named->fd = -1;
    } else if (S_ISREG(named->st.st_mode)) {
        named->id = bx_table_find(named->st.st_ino, &slot);
    }
}

static void let_go(struct named *named, bool removed) {
    if (named->fd < 0) return;
    if (removed && S_ISREG(named->st.st_mode) && named->st.st_nlink == 1) bx_table_remove(named->st.st_ino, named->id);
    bx_real.close(named->fd);
}

static bool recorded(const struct named *named) {
    return S_ISREG(named->st.st_mode) || S_ISDIR(named->st.st_mode) || S_ISLNK(named->st.st_mode);
}

// Ends an entry according to the real call's result, which it returns; errno survives.
static int conclude(bx_entry *entry, int status, int saved) {
    int error = errno;
    bx_finish(entry, status == 0 ? BX_COMMITTED : BX_ABANDONED);
    errno = status == 0 ? saved : error;
    return status;
}

static int cross(const char *what, const char *path) {
    bx_complain("%s of %s across the border of the volume is refused", what, path);
    errno = EXDEV;
    return -1;
}

// ---- Rename.

static int plain_rename(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    return flags ? bx_real.renameat2(from_dir, from, to_dir, to, flags) : bx_real.renameat(from_dir, from, to_dir, to);
}

// A file that was local gets a name in the volume: it is created and filled under a temporary name there, so that the
// target, which may exist, is replaced in one step as the engine expects.
static int import(int from_dir, const char *from, struct named *source, const struct bx_place *target, bx_entry **entry) {
    char name[BX_PATH_MAX];
    uint32_t slot;
    bx_entry *made;
    if (!S_ISREG(source->st.st_mode)) return cross("rename", target->path);
    if ((size_t)snprintf(name, sizeof name, "%s.bx-import", target->relative) >= sizeof name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = bx_real.openat(from_dir, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) return -1;
    uint64_t id = __atomic_fetch_add(&bx.ring->next_file_id, 1, __ATOMIC_RELAXED);
    int status = bx_begin(&made, BX_OP_CREATE, id, source->st.st_mode & 07777, name, NULL);
    if (status == 0) {
        bx_finish(made, BX_COMMITTED);
        if (bx_shipping()) status = bx_ship_content(fd, id, (uint64_t)source->st.st_size);
        if (status == 0) status = bx_begin(entry, BX_OP_RENAME, id, 0, name, target->relative);
        if (status == 0) status = bx_table_insert(source->st.st_ino, id, &slot);
        source->id = id;
    }
    int error = errno;
    bx_real.close(fd);
    errno = error;
    return status;
}

static void undo_import(struct named *source, const struct bx_place *target) {
    char name[BX_PATH_MAX];
    bx_entry *entry;
    snprintf(name, sizeof name, "%s.bx-import", target->relative);
    bx_table_remove(source->st.st_ino, source->id);
    if (bx_begin(&entry, BX_OP_UNLINK, source->id, 0, name, NULL) == 0) bx_finish(entry, BX_COMMITTED);
}

static int rename_any(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    struct bx_place a, b;
    int saved = errno;
    if (!bx_active()) return plain_rename(from_dir, from, to_dir, to, flags);
    if (bx_place_exactly(from_dir, from, &a) != 0 || bx_place_exactly(to_dir, to, &b) != 0) return -1;
    if (a.where != BX_VOLUME && b.where != BX_VOLUME) return plain_rename(from_dir, from, to_dir, to, flags);
    if (flags & ~(unsigned)RENAME_NOREPLACE) {
        bx_complain("renameat2 of %s with flags %u is refused", from, flags);
        errno = EINVAL;
        return -1;
    }
    struct named source, target;
    hold(&source, from_dir, from);
    hold(&target, to_dir, to);
    bool same = source.fd >= 0 && target.fd >= 0 && source.st.st_ino == target.st.st_ino && source.st.st_dev == target.st.st_dev;
    if (source.fd < 0 || same || !recorded(&source)) {
        // It fails, does nothing, or concerns something the volume does not know.
        let_go(&source, false);
        let_go(&target, false);
        return plain_rename(from_dir, from, to_dir, to, flags);
    }
    bx_entry *entry = NULL;
    bool imports = a.where != BX_VOLUME;
    int status;
    if (imports) status = import(from_dir, from, &source, &b, &entry);
    else if (b.where == BX_VOLUME) status = bx_begin(&entry, BX_OP_RENAME, source.id, 0, a.relative, b.relative);
    else if (S_ISDIR(source.st.st_mode)) status = cross("rename", a.path);
    else status = bx_begin(&entry, BX_OP_UNLINK, source.id, 0, a.relative, NULL);
    if (status == 0) {
        status = conclude(entry, plain_rename(from_dir, from, to_dir, to, flags), saved);
        if (status != 0 && imports) {
            int error = errno;
            undo_import(&source, &b);
            errno = error;
        }
    }
    int error = errno;
    let_go(&target, status == 0 && b.where == BX_VOLUME);
    let_go(&source, status == 0 && b.where != BX_VOLUME);
    errno = error;
    return status;
}

int rename(const char *from, const char *to) { return rename_any(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_dir, const char *from, int to_dir, const char *to) { return rename_any(from_dir, from, to_dir, to, 0); }
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int flags) {
    return rename_any(from_dir, from, to_dir, to, flags);
}

// ---- Links.

static int link_any(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    struct bx_place a, b;
    int saved = errno;
    if (!bx_active()) return bx_real.linkat(from_dir, from, to_dir, to, flags);
    if ((flags & AT_SYMLINK_FOLLOW ? bx_place_following : bx_place_exactly)(from_dir, from, &a) != 0 ||
        bx_place_exactly(to_dir, to, &b) != 0)
        return -1;
    // A second name outside is an alias; writes through it are still recognised by their inode.
    if (b.where != BX_VOLUME) return bx_real.linkat(from_dir, from, to_dir, to, flags);
    if (a.where != BX_VOLUME) return cross("link", b.path);
    struct named source;
    hold(&source, AT_FDCWD, a.path);
    bx_entry *entry = NULL;
    int status = bx_begin(&entry, BX_OP_LINK, source.id, 0, a.relative, b.relative);
    if (status == 0) status = conclude(entry, bx_real.linkat(from_dir, from, to_dir, to, flags), saved);
    int error = errno;
    let_go(&source, false);
    errno = error;
    return status;
}
int link(const char *from, const char *to) { return link_any(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    return link_any(from_dir, from, to_dir, to, flags);
}

static int symlink_any(const char *target, int dir, const char *path) {
    struct bx_place place, end;
    int saved = errno;
    if (!bx_active()) return bx_real.symlinkat(target, dir, path);
    if (bx_place_exactly(dir, path, &place) != 0) return -1;
    if (place.where != BX_VOLUME) return bx_real.symlinkat(target, dir, path);
    // An absolute target leaves the volume as well: elsewhere the volume has another root.
    char parent[PATH_MAX];
    strcpy(parent, place.path);
    *strrchr(parent, '/') = 0;
    if (target[0] == '/' || !bx_normalise(parent, target, end.path, sizeof end.path, &end.dots) ||
        (bx_classify(&end), end.where == BX_OUTSIDE) || strlen(target) >= BX_PATH_MAX) {
        bx_complain("symbolic link %s -> %s leaves the volume and is refused; use in-place tablespaces "
                    "(allow_in_place_tablespaces) and keep the WAL directory inside", path, target);
        errno = EPERM;
        return -1;
    }
    bx_entry *entry;
    if (bx_begin(&entry, BX_OP_SYMLINK, 0, 0, target, place.relative) != 0) return -1;
    return conclude(entry, bx_real.symlinkat(target, dir, path), saved);
}
int symlink(const char *target, const char *path) { return symlink_any(target, AT_FDCWD, path); }
int symlinkat(const char *target, int dir, const char *path) { return symlink_any(target, dir, path); }

// ---- Removal.

static int remove_any(int dir, const char *path, int flags) {
    struct bx_place place;
    int saved = errno;
    if (!bx_active()) return bx_real.unlinkat(dir, path, flags);
    if (bx_place_exactly(dir, path, &place) != 0) return -1;
    if (place.where == BX_OUTSIDE || place.where == BX_LOCAL || !*place.relative) return bx_real.unlinkat(dir, path, flags);
    struct named named;
    bx_entry *entry = NULL;
    hold(&named, dir, path);
    int status;
    if (named.fd < 0 || !recorded(&named)) {
        status = bx_real.unlinkat(dir, path, flags);
    } else {
        status = bx_begin(&entry, flags & AT_REMOVEDIR ? BX_OP_RMDIR : BX_OP_UNLINK, named.id, 0, place.relative, NULL);
        if (status == 0) status = conclude(entry, bx_real.unlinkat(dir, path, flags), saved);
    }
    int error = errno;
    let_go(&named, status == 0);
    errno = error;
    return status;
}
int unlink(const char *path) { return remove_any(AT_FDCWD, path, 0); }
int unlinkat(int dir, const char *path, int flags) { return remove_any(dir, path, flags); }
int rmdir(const char *path) { return remove_any(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    struct stat st;
    int saved = errno;
    bool directory = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
    errno = saved;
    return remove_any(AT_FDCWD, path, directory ? AT_REMOVEDIR : 0);
}

// ---- Directories.

static int mkdir_any(int dir, const char *path, mode_t mode) {
    struct bx_place place;
    struct stat st;
    int saved = errno;
    if (!bx_active()) return bx_real.mkdirat(dir, path, mode);
    if (bx_place_exactly(dir, path, &place) != 0) return -1;
    if (place.where != BX_VOLUME || !*place.relative) return bx_real.mkdirat(dir, path, mode);
    bx_entry *entry;
    if (bx_begin(&entry, BX_OP_MKDIR, 0, mode & 07777, place.relative, NULL) != 0) return -1;
    int status = bx_real.mkdirat(dir, path, mode);
    // The mode after the process's umask.
    if (status == 0 && entry && fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0) entry->offset = st.st_mode & 07777;
    return conclude(entry, status, saved);
}
int mkdir(const char *path, mode_t mode) { return mkdir_any(AT_FDCWD, path, mode); }
int mkdirat(int dir, const char *path, mode_t mode) { return mkdir_any(dir, path, mode); }

int chdir(const char *path) {
    int status = bx_real.chdir(path);
    if (status == 0 && bx_active()) bx_note_directory_change();
    return status;
}
int fchdir(int fd) {
    int status = bx_real.fchdir(fd);
    if (status == 0 && bx_active()) bx_note_directory_change();
    return status;
}

// ---- Modes.

static int chmod_any(int dir, const char *path, mode_t mode, int flags) {
    struct bx_place place;
    int saved = errno;
    if (!bx_active()) return bx_real.fchmodat(dir, path, mode, flags);
    if ((flags & AT_SYMLINK_NOFOLLOW ? bx_place_exactly : bx_place_following)(dir, path, &place) != 0) return -1;
    if (place.where != BX_VOLUME || !*place.relative) return bx_real.fchmodat(dir, path, mode, flags);
    bx_entry *entry;
    if (bx_begin(&entry, BX_OP_CHMOD, 0, mode & 07777, place.relative, NULL) != 0) return -1;
    return conclude(entry, bx_real.fchmodat(dir, path, mode, flags), saved);
}
int chmod(const char *path, mode_t mode) { return chmod_any(AT_FDCWD, path, mode, 0); }
int fchmodat(int dir, const char *path, mode_t mode, int flags) { return chmod_any(dir, path, mode, flags); }
int fchmod(int fd, mode_t mode) {
    struct bx_fd *file = bx_tracked(fd);
    struct bx_place place;
    struct stat st, there;
    int saved = errno;
    // A descriptor whose name is gone reads as "... (deleted)"; there is no path to record then.
    if (!file || file->kind == BX_KIND_PRIVATE || fstat(fd, &st) != 0 || st.st_nlink == 0 ||
        bx_path_of_descriptor(fd, place.path, sizeof place.path) != 0 || lstat(place.path, &there) != 0 ||
        there.st_ino != st.st_ino) {
        errno = saved;
        return bx_real.fchmod(fd, mode);
    }
    bx_classify(&place);
    if (place.where != BX_VOLUME || !place.relative || !*place.relative) return bx_real.fchmod(fd, mode);
    bx_entry *entry;
    if (bx_begin(&entry, BX_OP_CHMOD, file->id, mode & 07777, place.relative, NULL) != 0) return -1;
    return conclude(entry, bx_real.fchmod(fd, mode), saved);
}
