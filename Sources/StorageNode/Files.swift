// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOCore

/// Small POSIX helpers; each reports errno rather than throwing where a caller wants to go on.

func makeDirectory(_ path: String) throws(StorageFailure) {
    var built = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
        built += built.isEmpty || built.hasSuffix("/") ? part : "/" + part
        guard mkdir(built, 0o700) == 0 || errno == EEXIST else {
            throw StorageFailure("create directory", path: built, errno: errno)
        }
    }
}

/// Names in a directory, sorted, without the dot entries.
package func listDirectory(_ path: String) throws(StorageFailure) -> [String] {
    guard let stream = opendir(path) else { throw StorageFailure("list", path: path, errno: errno) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
}

/// The whole file. Blocks that the device cannot read any more are zeros.
func readFile(_ path: String) throws(StorageFailure) -> ByteBuffer {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { throw StorageFailure("open", path: path, errno: errno) }
    defer { close(fd) }
    var info = stat()
    guard fstat(fd, &info) == 0 else { throw StorageFailure("stat", path: path, errno: errno) }
    var buffer = ByteBuffer()
    buffer.reserveCapacity(Int(info.st_size))
    var count = 1 << 20
    while buffer.writerIndex < Int(info.st_size) {
        let (at, left) = (off_t(buffer.writerIndex), Int(info.st_size) - buffer.writerIndex)
        var failure: Int32 = 0
        let got = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: min(count, left)) { space in
            let got = pread(fd, space.baseAddress!, min(count, left), at)
            failure = got < 0 ? errno : 0
            return max(0, got)
        }
        if got > 0 || failure == EINTR { continue }
        guard failure == EIO else { break }
        // One bad block must not take the others with it.
        if count > unreadableBytes {
            count = unreadableBytes
        } else {
            buffer.writeRepeatingByte(0, count: min(unreadableBytes - Int(at) % unreadableBytes, left))
        }
    }
    guard buffer.readableBytes == Int(info.st_size) else { throw StorageFailure("read", path: path, errno: EIO) }
    return buffer
}

/// What is given up around a place that cannot be read.
private let unreadableBytes = 4096

/// The first `count` bytes (or all, if there are fewer) as they are on the device; nil if the file is gone by the end.
func readFresh(_ path: String, count: Int) throws(StorageFailure) -> ByteBuffer? {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else {
        if errno == ENOENT { return nil }
        throw StorageFailure("open", path: path, errno: errno)
    }
    defer { close(fd) }
    _ = posix_fadvise(fd, 0, off_t(count), POSIX_FADV_DONTNEED)
    var buffer = ByteBuffer()
    buffer.reserveCapacity(count)
    var failure: Int32 = 0
    while buffer.readableBytes < count {
        let wanted = min(1 << 20, count - buffer.readableBytes)
        let got = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { space in
            let got = read(fd, space.baseAddress!, wanted)
            if got < 0 { failure = errno }
            return max(0, got)
        }
        if got == 0, failure == EINTR {
            failure = 0
            continue
        }
        if got == 0 { break }
    }
    guard failure == 0 else { throw StorageFailure("read", path: path, errno: failure) }
    return access(path, F_OK) == 0 ? buffer : nil
}

func syncDirectory(_ path: String) -> Int32 {
    let fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard fd >= 0 else { return errno }
    defer { close(fd) }
    return fsync(fd) == 0 ? 0 : errno
}

/// Removes a directory with everything in it; what cannot be removed stays.
func removeTree(_ path: String) {
    var info = stat()
    guard lstat(path, &info) == 0 else { return }
    guard info.st_mode & S_IFMT == S_IFDIR else {
        unlink(path)
        return
    }
    for name in (try? listDirectory(path)) ?? [] { removeTree("\(path)/\(name)") }
    rmdir(path)
}
