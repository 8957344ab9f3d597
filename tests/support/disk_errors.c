/* Fails one system call that changes a folder, or all from one on: LD_PRELOADed by disk_errors.py, which arms it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[4096];
static size_t folder_length;
static long calls, fail_at;
static int armed, fail_with, on_and_on, only_space, listing = -1;

/* The calls below `path` from now on are counted; call `at` (from 1; 0: none) fails with `number`, with `sticky` all
   later ones, too; `space`: only calls that take room on the disk are counted. Each is named on the descriptor `names`,
   one line, unless that is negative: before the first that fails, all, then no more. */
void disk_arm(const char *path, long at, int number, int sticky, int space, int names) {
    strncpy(folder, path, sizeof folder - 1);
    folder_length = strlen(folder);
    calls = 0;
    fail_at = at;
    fail_with = number;
    on_and_on = sticky;
    only_space = space;
    listing = names;
    armed = 1;
}

void disk_disarm(void) { armed = 0; }

static ssize_t (*real_write)(int, const void *, size_t);

static int refused(const char *name, const char *path, int takes_space) {
    if (strncmp(path, folder, folder_length) || (path[folder_length] && path[folder_length] != '/')) return 0;
    if (only_space && !takes_space) return 0;
    long number = __sync_add_and_fetch(&calls, 1);
    int fails = fail_at && (number == fail_at || (on_and_on && number > fail_at));
    if (listing >= 0 && (!fail_at || number == fail_at)) {
        char line[4200];
        int length = snprintf(line, sizeof line, "%s %s\n", name, path + folder_length);
        if (!real_write) real_write = dlsym(RTLD_NEXT, "write");
        if (real_write(listing, line, length) < 0) {}
    }
    if (fails) errno = fail_with;
    return fails;
}

static int refused_fd(const char *name, int descriptor, int takes_space) {
    char link[64], path[4096];
    if (!armed) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return refused(name, path, takes_space);
}

static int refused_at(const char *name, int descriptor, const char *path, int takes_space) {
    char whole[8300], link[64];
    if (!armed || !path) return 0;
    if (path[0] == '/') return refused(name, path, takes_space);
    ssize_t length;
    if (descriptor == AT_FDCWD) {
        if (!getcwd(whole, 4096)) return 0;
        length = strlen(whole);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        length = readlink(link, whole, 4095);
        if (length <= 0) return 0;
    }
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    return refused(name, whole, takes_space);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = dlsym(RTLD_NEXT, name);

#define BY_FD(type, function, space, parameters, arguments, ...) \
    type function parameters { \
        REAL(type, #function, __VA_ARGS__) \
        if (refused_fd(#function, fd, space)) return -1; \
        return real arguments; \
    }

BY_FD(ssize_t, write, 1, (int fd, const void *data, size_t size), (fd, data, size), int, const void *, size_t)
BY_FD(ssize_t, writev, 1, (int fd, const struct iovec *parts, int count), (fd, parts, count), int, const struct iovec *, int)
BY_FD(ssize_t, pwrite, 1, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), int, const void *, size_t, off_t)
BY_FD(ssize_t, pwrite64, 1, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at), int, const void *, size_t, off64_t)
BY_FD(ssize_t, sendfile, 1, (int fd, int from, off_t *at, size_t size), (fd, from, at, size), int, int, off_t *, size_t)
BY_FD(ssize_t, sendfile64, 1, (int fd, int from, off64_t *at, size_t size), (fd, from, at, size), int, int, off64_t *, size_t)
BY_FD(int, fsync, 1, (int fd), (fd), int)
BY_FD(int, fdatasync, 1, (int fd), (fd), int)
BY_FD(int, ftruncate, 1, (int fd, off_t size), (fd, size), int, off_t)
BY_FD(int, ftruncate64, 1, (int fd, off64_t size), (fd, size), int, off64_t)
BY_FD(int, fallocate, 1, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size), int, int, off_t, off_t)
BY_FD(int, fchmod, 0, (int fd, mode_t mode), (fd, mode), int, mode_t)

int posix_fallocate(int fd, off_t at, off_t size) {
    REAL(int, "posix_fallocate", int, off_t, off_t)
    if (refused_fd("posix_fallocate", fd, 1)) return fail_with;
    return real(fd, at, size);
}

#define BY_PATH(function, space, parameters, arguments, at, path, ...) \
    int function parameters { \
        REAL(int, #function, __VA_ARGS__) \
        if (refused_at(#function, at, path, space)) return -1; \
        return real arguments; \
    }

BY_PATH(rename, 0, (const char *from, const char *to), (from, to), AT_FDCWD, to, const char *, const char *)
BY_PATH(renameat, 0, (int a, const char *from, int b, const char *to), (a, from, b, to), b, to, int, const char *, int, const char *)
BY_PATH(renameat2, 0, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags), b, to, int, const char *, int, const char *, unsigned)
BY_PATH(unlink, 0, (const char *path), (path), AT_FDCWD, path, const char *)
BY_PATH(unlinkat, 0, (int at, const char *path, int flags), (at, path, flags), at, path, int, const char *, int)
BY_PATH(rmdir, 0, (const char *path), (path), AT_FDCWD, path, const char *)
BY_PATH(mkdir, 1, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path, const char *, mode_t)
BY_PATH(mkdirat, 1, (int at, const char *path, mode_t mode), (at, path, mode), at, path, int, const char *, mode_t)
BY_PATH(link, 1, (const char *from, const char *to), (from, to), AT_FDCWD, to, const char *, const char *)
BY_PATH(linkat, 1, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags), b, to, int, const char *, int, const char *, int)
BY_PATH(truncate, 1, (const char *path, off_t size), (path, size), AT_FDCWD, path, const char *, off_t)
BY_PATH(chmod, 0, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path, const char *, mode_t)

static mode_t mode_of(int flags, va_list rest) { return flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; }

/* Opening counts where it makes a file. */
static int makes(int at, const char *path, int flags) {
    struct stat found;
    return armed && path && flags & O_CREAT && fstatat(at, path, &found, AT_SYMLINK_NOFOLLOW);
}

#define OPEN(function, declared, at, ...) \
    int function declared { \
        REAL(int, #function, __VA_ARGS__) \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = mode_of(flags, rest); \
        va_end(rest); \
        if (makes(at, path, flags) && refused_at(#function, at, path, 1)) return -1;

OPEN(open, (const char *path, int flags, ...), AT_FDCWD, const char *, int, ...) return real(path, flags, mode); }
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, const char *, int, ...) return real(path, flags, mode); }
OPEN(openat, (int at, const char *path, int flags, ...), at, int, const char *, int, ...) return real(at, path, flags, mode); }
OPEN(openat64, (int at, const char *path, int flags, ...), at, int, const char *, int, ...) return real(at, path, flags, mode); }
