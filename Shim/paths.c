// SPDX-License-Identifier: Apache-2.0
//
// Which paths belong to the volume, and what they are called there.
#include "shim.h"

#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

// fnmatch converts to wide characters in most locales, which would dominate an open. The patterns that are used
// have stars and question marks at most; brackets and escapes still go to fnmatch.
bool bx_pattern_matches(const char *pattern, const char *text, size_t length) {
    const char *end = text + length, *star = NULL, *resume = NULL;
    if (strpbrk(pattern, "[\\")) {
        char copy[256];
        if (length >= sizeof copy) return false;
        memcpy(copy, text, length);
        copy[length] = 0;
        return fnmatch(pattern, copy, 0) == 0;
    }
    while (text < end) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return *pattern == 0;
}

bool bx_normalise(const char *base, const char *path, char *to, size_t room, bool *dots) {
    size_t n = 0;
    *dots = false;
    if (path[0] != '/') {
        n = strlen(base);
        if (n + 1 >= room) return false;
        memcpy(to, base, n);
        if (n == 1) n = 0; // "/" itself
    }
    while (*path) {
        while (*path == '/') path++;
        const char *end = path;
        while (*end && *end != '/') end++;
        size_t length = end - path;
        if (length == 2 && path[0] == '.' && path[1] == '.') {
            *dots = true;
            while (n > 0 && to[--n] != '/') continue;
        } else if (length > 0 && !(length == 1 && path[0] == '.')) {
            if (n + length + 2 > room) return false;
            to[n++] = '/';
            memcpy(to + n, path, length);
            n += length;
        }
        path = end;
    }
    if (n == 0) to[n++] = '/';
    to[n] = 0;
    return true;
}

void bx_classify(struct bx_place *place) {
    place->where = BX_OUTSIDE;
    place->relative = "";
    if (strncmp(place->path, bx.root, bx.root_length) != 0) return;
    const char *rest = place->path + bx.root_length;
    if (*rest && *rest != '/') return;
    while (*rest == '/') rest++;
    place->relative = rest;
    place->where = BX_VOLUME;
    while (*rest) {
        const char *end = strchrnul(rest, '/');
        for (int i = 0; i < bx.pattern_count; i++) {
            if (bx_pattern_matches(bx.patterns[i], rest, end - rest)) {
                place->where = BX_LOCAL;
                return;
            }
        }
        rest = *end ? end + 1 : end;
    }
    if (rest - place->relative >= BX_PATH_MAX) place->relative = NULL; // the caller reports ENAMETOOLONG
}

void bx_note_directory_change(void) {
    // An unreachable current directory leaves relative paths outside the volume.
    if (!getcwd(bx.cwd, sizeof bx.cwd) || bx.cwd[0] != '/') strcpy(bx.cwd, "/");
}

int bx_path_of_descriptor(int fd, char *to, size_t room) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, to, room - 1);
    if (n < 0) return -1;
    to[n] = 0;
    return 0;
}

static int checked(struct bx_place *place) {
    if (place->relative) return 0;
    errno = ENAMETOOLONG;
    return -1;
}

int bx_place_lexically(int dir, const char *path, struct bx_place *place) {
    char base[4096];
    const char *from = bx.cwd;
    place->where = BX_OUTSIDE;
    place->relative = "";
    place->path[0] = 0;
    if (!path) return 0; // the real call knows the right errno
    if (path[0] != '/' && dir != AT_FDCWD) {
        if (bx_path_of_descriptor(dir, base, sizeof base) != 0 || base[0] != '/') return 0;
        from = base;
    }
    if (!bx_normalise(from, path, place->path, sizeof place->path, &place->dots)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    bx_classify(place);
    return checked(place);
}

// The kernel resolves: opening the directory and asking for its name costs three system calls, whatever the depth.
static int canonical(int dir, const char *path, int flags, char *to, size_t room) {
    int fd = bx_real.openat(dir, path, O_PATH | O_CLOEXEC | flags, 0);
    if (fd < 0) return -1;
    int status = bx_path_of_descriptor(fd, to, room);
    bx_real.close(fd);
    return status;
}

int bx_place_exactly(int dir, const char *path, struct bx_place *place) {
    if (bx_place_lexically(dir, path, place) != 0) return -1;
    if (!path || !*path) return 0;
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    const char *last = memrchr(path, '/', length);
    size_t start = last ? last - path + 1 : 0;
    size_t name = length - start;
    if ((name == 1 && path[start] == '.') || (name == 2 && !strncmp(path + start, "..", 2)) || name == 0) return 0;
    char parent[4096];
    if (start >= sizeof parent) return 0;
    if (start == 0) {
        strcpy(parent, ".");
    } else {
        memcpy(parent, path, start);
        parent[start] = 0;
    }
    char found[4096];
    if (canonical(dir, parent, O_DIRECTORY, found, sizeof found) != 0) return 0; // the real call fails the same way
    size_t n = strlen(found);
    if (n + name + 2 > sizeof place->path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(place->path, found, n);
    if (n > 1) place->path[n++] = '/';
    memcpy(place->path + n, path + start, name);
    place->path[n + name] = 0;
    place->dots = false;
    bx_classify(place);
    return checked(place);
}

int bx_place_following(int dir, const char *path, struct bx_place *place) {
    char found[4096];
    if (path && canonical(dir, path, 0, found, sizeof found) == 0 && found[0] == '/') {
        strcpy(place->path, found);
        place->dots = false;
        bx_classify(place);
        return checked(place);
    }
    return bx_place_exactly(dir, path, place);
}
