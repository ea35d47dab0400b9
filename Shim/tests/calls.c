// SPDX-License-Identifier: Apache-2.0
//
// Runs under the shim in an empty root (the current directory) and uses every kind of call. `mirror` compares after.
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(x)                                                                                \
    do {                                                                                       \
        if (!(x)) {                                                                            \
            fprintf(stderr, "calls.c:%d: %s (%s)\n", __LINE__, #x, strerror(errno));           \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)
#define FAILS(x, error)                  \
    do {                                 \
        errno = 0;                       \
        MUST((x) && errno == (error));   \
    } while (0)

static char page[8192], other[1 << 20];

static void *append_many(void *path) {
    int fd = open(path, O_WRONLY | O_APPEND);
    MUST(fd >= 0);
    for (int i = 0; i < 300; i++) MUST(write(fd, "0123456789abcdef\n", 17) == 17);
    close(fd);
    return NULL;
}

static long size_of(const char *path) {
    struct stat st;
    MUST(stat(path, &st) == 0);
    return (long)st.st_size;
}

// What `mapped` holds at a place: no zeros.
static char mapped_at(size_t i) { return (char)(1 + (i * 31 + i / 4096) % 255); }

// A mapping shows the file's bytes, also those that were absent when it was made, and keeps them.
static void check_mapping(bool absent) {
    struct stat st;
    int fd = open("mapped", O_RDONLY);
    MUST(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 3 << 20);
    if (absent) MUST(st.st_blocks == 0);
    const char *shared = mmap(NULL, 3 << 20, PROT_READ, MAP_SHARED, fd, 0);
    const char *private = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 2 << 20);
    MUST(shared != MAP_FAILED && private != MAP_FAILED);
    close(fd);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 3 << 20; i += 509) MUST(shared[i] == mapped_at(i));
        for (size_t i = 0; i < 4096; i++) MUST(private[i] == mapped_at(i + (2 << 20)));
        usleep(5000);
    }
    MUST(munmap((void *)shared, 3 << 20) == 0 && munmap((void *)private, 4096) == 0);
}

// Advice that absent blocks are needed makes four hints, a chunk each, and waits for none. All other advice makes none.
static void check_hints(void) {
    struct stat st;
    const off_t chunk = 128 << 10;
    int fd = open("mapped", O_RDONLY);
    MUST(fd >= 0);
    errno = 77;
    MUST(posix_fadvise(fd, 8192, 4 * chunk - 8192, POSIX_FADV_WILLNEED) == 0 && errno == 77);
    MUST(posix_fadvise(fd, 4 << 20, 8192, POSIX_FADV_WILLNEED) == 0); // behind the end
    MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) == 0);
    MUST(fstat(fd, &st) == 0 && st.st_blocks == 0);
    char bytes[8192];
    MUST(pread(fd, bytes, sizeof bytes, 2 << 20) == sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) MUST(bytes[i] == mapped_at(i + (2 << 20)));
    MUST(posix_fadvise(fd, 2 << 20, 8192, POSIX_FADV_WILLNEED) == 0); // it is there
    close(fd);
    MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED) == EBADF);
}

int main(int count, char **arguments) {
    if (count > 1 && !strcmp(arguments[1], "--mapped")) {
        check_mapping(true);
        return 0;
    }
    if (count > 1 && !strcmp(arguments[1], "--hinted")) {
        check_hints();
        return 0;
    }
    if (count > 2 && !strcmp(arguments[1], "--child")) {
        // After exec: the inherited descriptor is known, its offset shared.
        int fd = atoi(arguments[2]);
        MUST(write(fd, "child", 5) == 5);
        return 0;
    }
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    MUST(n > 0);
    self[n] = 0;
    for (size_t i = 0; i < sizeof page; i++) page[i] = (char)(i * 31 + i / 7);
    for (size_t i = 0; i < sizeof other; i++) other[i] = (char)(i * 17 + i / 1000);

    // What the cache's disk has for sectors is nobody's business; other files of sysfs are as ever. (Access is not intercepted.)
    MUST(access("/sys/dev/block", F_OK) == 0);
    DIR *disks = opendir("/sys/dev/block");
    MUST(disks);
    for (struct dirent *disk; (disk = readdir(disks));) {
        char path[512];
        snprintf(path, sizeof path, "/sys/dev/block/%s/queue/physical_block_size", disk->d_name);
        if (access(path, F_OK) != 0) continue; // a partition's is its disk's
        FAILS(open(path, O_RDONLY) == -1, ENOENT);
        snprintf(path, sizeof path, "/sys/dev/block/%s/queue/rotational", disk->d_name);
        int about = open(path, O_RDONLY);
        MUST(about >= 0);
        close(about);
    }
    closedir(disks);

    // Plain writes, sparse and dense, in all forms.
    int fd = open("plain", O_RDWR | O_CREAT, 0640);
    MUST(fd >= 0);
    errno = 77;
    MUST(pwrite(fd, page, sizeof page, 0) == sizeof page && errno == 77);
    MUST(pwrite(fd, page, sizeof page, 0) == sizeof page); // no change
    page[5000] ^= 1;
    MUST(pwrite64(fd, page, sizeof page, 0) == sizeof page);
    MUST(pwrite(fd, page, 100, 1000000) == 100); // beyond the end
    MUST(pwrite(fd, other, sizeof other, 12345) == sizeof other); // several entries
    MUST(lseek(fd, 0, SEEK_CUR) == 0);
    MUST(write(fd, "abc", 3) == 3 && write(fd, "abc", 3) == 3 && lseek(fd, 0, SEEK_CUR) == 6);
    MUST(lseek(fd, 0, SEEK_SET) == 0 && write(fd, "abcabc", 6) == 6 && lseek(fd, 0, SEEK_CUR) == 6); // no change, still moves
    struct iovec parts[4] = {{page, 10}, {page, 0}, {other, 300000}, {page + 20, 5}};
    MUST(writev(fd, parts, 4) == 300015);
    MUST(lseek(fd, 0, SEEK_CUR) == 300021);
    MUST(pwritev(fd, parts, 4, 777) == 300015 && pwritev2(fd, parts, 4, 778, RWF_DSYNC) == 300015);
    static char back[300015];
    struct iovec into = {back, sizeof back};
    MUST(preadv(fd, &into, 1, 778) == sizeof back && memcmp(back, page, 10) == 0 && memcmp(back + 10, other, 300000) == 0);
    memset(other, 0, sizeof other);
    MUST(pwrite(fd, other, sizeof other, 3000000) == sizeof other); // zeros beyond the end
    FAILS(pwrite(fd, page, 1, -1) < 0, EINVAL);
    int reader = open("plain", O_RDONLY);
    FAILS(write(reader, page, 1) < 0, EBADF);
    FAILS(ftruncate(reader, 0) < 0, EINVAL);
    close(reader);

    // Size and allocation.
    MUST(ftruncate(fd, 2000000) == 0 && truncate("plain", 3000001) == 0 && size_of("plain") == 3000001);
    MUST(posix_fallocate(fd, 0, 3100000) == 0 && size_of("plain") == 3100000);
    MUST(fallocate(fd, 0, 0, 100) == 0);
    MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10000, 50001) == 0);
    MUST(fallocate(fd, FALLOC_FL_ZERO_RANGE, 100, 5) == 0);
    MUST(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 3099999, 50000) == 0 && size_of("plain") == 3100000);
    MUST(fallocate(fd, FALLOC_FL_ZERO_RANGE, 3099999, 50000) == 0 && size_of("plain") == 3149999);
    FAILS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096) < 0, EOPNOTSUPP);
    MUST(posix_fallocate(fd, -1, 10) == EINVAL);
    MUST(fsync(fd) == 0 && fdatasync(fd) == 0 && syncfs(fd) == 0 && sync_file_range(fd, 0, 0, 2) == 0);

    // Descriptors.
    int twin = dup(fd), third = fcntl(fd, F_DUPFD_CLOEXEC, 50);
    MUST(third >= 50 && dup2(fd, 60) == 60 && dup3(fd, 61, O_CLOEXEC) == 61);
    MUST(pwrite(twin, "dup", 3, 20) == 3 && pwrite(third, "dup", 3, 30) == 3 && pwrite(60, "dup", 3, 40) == 3);
    MUST(pwrite(61, "dup", 3, 50) == 3);
    close(fd);
    close(twin);
    MUST(pwrite(third, "still", 5, 60) == 5);
    // One number, first a volume file, then a foreign one.
    int outside = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    MUST(outside >= 0 && dup2(outside, third) == third && pwrite(third, "foreign", 7, 5000000) == 7 && size_of("plain") == 3149999);
    MUST(fcntl(61, F_SETFL, O_APPEND) == 0 && write(61, "end", 3) == 3 && size_of("plain") == 3150002);
    MUST(write(60, "END", 3) == 3 && size_of("plain") == 3150005 && fcntl(60, F_SETFL, 0) == 0); // duplicates share the flag
    const char *bell = getenv("BOREALIS_DOORBELL_FD");
    if (bell) {
        MUST(close(atoi(bell)) == 0 && fcntl(atoi(bell), F_GETFD) >= 0);
        MUST(close_range(150, ~0u, 0) == 0 && fcntl(atoi(bell), F_GETFD) >= 0);
        FAILS(dup2(60, atoi(bell)) < 0, EBUSY);
    }
    pid_t pid = fork();
    if (pid == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", 60);
        MUST(lseek(60, 70, SEEK_SET) == 70);
        execl(self, self, "--child", number, NULL);
        _exit(9);
    }
    int status;
    MUST(waitpid(pid, &status, 0) == pid && status == 0);
    MUST(pread(60, back, 5, 70) == 5 && memcmp(back, "child", 5) == 0);

    // Opening.
    FAILS(open("plain", O_WRONLY | O_CREAT | O_EXCL, 0600) < 0, EEXIST);
    FAILS(open("absent", O_WRONLY) < 0, ENOENT);
    FAILS(open("no/such/dir", O_WRONLY | O_CREAT, 0600) < 0, ENOENT);
    FAILS(open(".", O_TMPFILE | O_RDWR, 0600) < 0, EOPNOTSUPP);
    umask(027);
    fd = open("direct", O_WRONLY | O_CREAT | O_DIRECT | O_DSYNC, 0666);
    MUST(fd >= 0 && pwrite(fd, page + 1, 1000, 3) == 1000); // unaligned, so not direct underneath
    close(fd);
    fd = open("direct", O_WRONLY | O_TRUNC);
    MUST(fd >= 0 && size_of("direct") == 0 && write(fd, page, 77) == 77);
    close(fd);
    fd = creat("direct", 0600);
    MUST(fd >= 0 && write(fd, page, 78) == 78);
    close(fd);
    int dir = open(".", O_RDONLY | O_DIRECTORY);
    MUST(dir >= 0 && fsync(dir) == 0);
    FAILS(openat(dir, "./x/../at", O_RDWR | O_CREAT, 0600) < 0, ENOENT);
    MUST(mkdirat(dir, "x", 0777) == 0);
    fd = openat(dir, "./x/../at", O_RDWR | O_CREAT, 0600);
    MUST(fd >= 0 && write(fd, page, 10) == 10);
    char alias[64];
    snprintf(alias, sizeof alias, "/proc/self/fd/%d", fd);
    int again = open(alias, O_RDWR);
    MUST(again >= 0 && pwrite(again, "alias", 5, 2) == 5);
    close(again);
    close(fd);
    char name[] = "x/tmpXXXXXX", longer[] = "x/tmpXXXXXX.suffix", folder[] = "x/dirXXXXXX", foreign[] = "/tmp/shimXXXXXX";
    fd = mkstemp(name);
    MUST(fd >= 0 && write(fd, page, 5) == 5);
    close(fd);
    fd = mkostemps(longer, 7, O_CLOEXEC);
    MUST(fd >= 0 && write(fd, page, 6) == 6);
    close(fd);
    MUST(mkdtemp(folder));
    fd = mkstemp(foreign);
    MUST(fd >= 0 && write(fd, other, 20) == 20);
    close(fd);

    // Appending from several threads and processes.
    fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    close(fd);
    pthread_t threads[3];
    if ((pid = fork()) == 0) {
        append_many("log");
        _exit(0);
    }
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, append_many, "log");
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    MUST(waitpid(pid, &status, 0) == pid && status == 0 && size_of("log") == 4 * 300 * 17);

    // Streams.
    FILE *f = fopen("stream", "w");
    MUST(f && fileno(f) >= 0 && fprintf(f, "hello %d\n", 42) == 9 && fflush(f) == 0 && size_of("stream") == 9);
    for (int i = 0; i < 5000; i++) MUST(fputs("line of text\n", f) >= 0);
    MUST(fseek(f, 6, SEEK_SET) == 0 && fputs("43", f) >= 0 && ftell(f) == 8);
    MUST(fsync(fileno(f)) == 0 && fclose(f) == 0 && size_of("stream") == 9 + 5000 * 13);
    f = fopen("stream", "r+");
    char line[64];
    MUST(f && fgets(line, sizeof line, f) && !strcmp(line, "hello 43\n"));
    MUST(fseek(f, 0, SEEK_CUR) == 0 && fputs("LINE", f) >= 0 && fclose(f) == 0);
    f = fopen("stream", "a");
    MUST(f && fputs("appended\n", f) >= 0 && ftell(f) == 9 + 5000 * 13 + 9 && fclose(f) == 0);
    FAILS(!fopen("stream", "wx"), EEXIST);
    FAILS(!fopen("nothing", "r"), ENOENT);
    fd = open("stream2", O_RDWR | O_CREAT, 0600);
    f = fdopen(fd, "w");
    MUST(f && fileno(f) == fd && fputs("through fdopen", f) >= 0 && fflush(NULL) == 0 && size_of("stream2") == 14 && fclose(f) == 0);
    FAILS(!freopen("stream3", "w", stdin), EOPNOTSUPP);
    f = fopen("/tmp", "r");
    MUST(f && fclose(f) == 0);
    if ((pid = fork()) == 0) {
        f = fopen("at-exit", "w");
        fputs("flushed by exit", f);
        exit(0);
    }
    MUST(waitpid(pid, &status, 0) == pid && status == 0 && size_of("at-exit") == 15);

    // Copies in the kernel.
    int from = open("stream", O_RDONLY), to = open("copy", O_WRONLY | O_CREAT, 0600);
    off64_t at = 5, where = 10;
    MUST(copy_file_range(from, &at, to, &where, 60000, 0) == 60000 && at == 60005 && where == 60010);
    MUST(sendfile(to, from, NULL, 50) == 50 && lseek(from, 0, SEEK_CUR) == 50);
    FAILS(ioctl(to, FICLONE, from) < 0, EOPNOTSUPP);
    close(from);
    close(to);

    // Mappings.
    fd = open("copy", O_RDWR);
    FAILS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED, EACCES);
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    MUST(map != MAP_FAILED && memcmp(map + 10, " 43\n", 1) != 2);
    map[0] = 'x';
    munmap(map, 4096);
    map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    MUST(map != MAP_FAILED);
    FAILS(mprotect(map, 4096, PROT_READ | PROT_WRITE) < 0, EACCES); // the way around the refusal above
    munmap(map, 4096);
    close(fd);
    static char large[3 << 20];
    for (size_t i = 0; i < sizeof large; i++) large[i] = mapped_at(i);
    fd = open("mapped", O_RDWR | O_CREAT, 0600);
    MUST(fd >= 0 && pwrite(fd, large, sizeof large, 0) == sizeof large && fsync(fd) == 0);
    close(fd);
    check_mapping(false);

    // Names.
    MUST(mkdir("d", 0777) == 0 && mkdir("d/e", 0700) == 0);
    FAILS(mkdir("d", 0777) < 0, EEXIST);
    fd = open("d/e/f", O_WRONLY | O_CREAT, 0600);
    MUST(fd >= 0 && write(fd, page, 100) == 100);
    MUST(rename("d/e", "d/g") == 0 && write(fd, page, 100) == 100); // the directory moved under an open file
    MUST(rename("d/g/f", "d/h") == 0 && write(fd, page, 100) == 100);
    MUST(link("d/h", "d/i") == 0 && unlink("d/h") == 0 && write(fd, page, 100) == 100);
    MUST(fchmod(fd, 0644) == 0 && chmod("d/g", 0750) == 0 && fchmodat(AT_FDCWD, "d", 0711, 0) == 0);
    MUST(rename("d/i", "direct") == 0 && write(fd, page, 100) == 100); // replaces
    FAILS(rename("direct", "d") < 0, EISDIR);
    FAILS(rename("nothing", "d/x") < 0, ENOENT);
    FAILS(renameat2(AT_FDCWD, "direct", AT_FDCWD, "copy", RENAME_EXCHANGE) < 0, EINVAL);
    FAILS(renameat2(AT_FDCWD, "direct", AT_FDCWD, "copy", RENAME_NOREPLACE) < 0, EEXIST);
    MUST(renameat2(AT_FDCWD, "direct", AT_FDCWD, "moved", RENAME_NOREPLACE) == 0);
    MUST(unlink("moved") == 0 && write(fd, page, 100) == 100 && fsync(fd) == 0); // written after its last name went
    close(fd);
    FAILS(unlink("moved") < 0, ENOENT);
    FAILS(rmdir("x") < 0, ENOTEMPTY);
    MUST(remove("d/g") == 0 && remove("at") == 0);
    // Inodes come back: what was removed must not be found again.
    for (int i = 0; i < 200; i++) {
        fd = open("churn", O_RDWR | O_CREAT | O_EXCL, 0600);
        MUST(fd >= 0 && write(fd, page, (size_t)i + 1) == i + 1);
        if (i % 2) MUST(rename("churn", "kept") == 0);
        else MUST(unlink("churn") == 0);
        close(fd);
    }

    // Links.
    FAILS(symlink("/etc/passwd", "escape") < 0, EPERM);
    FAILS(symlink("../../x", "d/escape") < 0, EPERM);
    MUST(symlink("../x", "d/inside") == 0 && symlink("kept", "alias") == 0);
    fd = open("d/inside/through", O_RDWR | O_CREAT, 0600);
    MUST(fd >= 0 && write(fd, page, 300) == 300);
    close(fd);
    MUST(size_of("x/through") == 300 && rename("d/inside/through", "d/inside/renamed") == 0 && chmod("alias", 0604) == 0);
    fd = open("alias", O_WRONLY);
    MUST(fd >= 0 && pwrite(fd, "via", 3, 0) == 3);
    close(fd);
    fd = open("d/inside/../dotted", O_WRONLY | O_CREAT, 0600); // the parent of x, not d
    MUST(fd >= 0 && write(fd, page, 3) == 3 && size_of("dotted") == 3);
    close(fd);

    // Across the border.
    f = fopen("local.tmp", "w");
    MUST(f && fwrite(page, 1, sizeof page, f) == sizeof page && fclose(f) == 0);
    MUST(rename("local.tmp", "imported") == 0);
    fd = open("imported", O_WRONLY);
    MUST(fd >= 0 && pwrite(fd, "after", 5, 100) == 5);
    close(fd);
    MUST(rename(foreign, "imported") == 0 && size_of("imported") == 20); // replaces
    MUST(rename("imported", "out.tmp") == 0 && rename("out.tmp", "back") == 0);
    FAILS(link("local2.tmp", "y") < 0, EXDEV);
    fd = open("local2.tmp", O_WRONLY | O_CREAT, 0600);
    MUST(write(fd, page, 10) == 10);
    close(fd);
    MUST(mkdir("some.tmp", 0700) == 0);
    fd = open("some.tmp/below", O_WRONLY | O_CREAT, 0600);
    MUST(write(fd, page, 10) == 10);
    close(fd);
    FAILS(rename("some.tmp", "some") < 0, EXDEV);

    // Special files stay local, and so does their removal.
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    MUST(bind(s, (struct sockaddr *)&address, sizeof address) == 0 && unlink("socket") == 0);
    close(s);

    // Relative names follow the current directory.
    MUST(chdir("x") == 0);
    fd = open("relative", O_WRONLY | O_CREAT, 0600);
    MUST(write(fd, page, 10) == 10);
    close(fd);
    MUST(chdir("/") == 0 && fchdir(dir) == 0);
    fd = open("x/relative", O_WRONLY | O_APPEND);
    MUST(write(fd, page, 10) == 10 && size_of("x/relative") == 20);
    close(fd);
    DIR *listing = fdopendir(dir);
    MUST(listing && readdir(listing) && closedir(listing) == 0);
    return 0;
}
