// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOCore

/// A file descriptor that is closed once. Every call says what failed on which path.
struct StoreFile: ~Copyable {
    let path: String
    private let descriptor: CInt

    /// Opens for reading, or creates anew for writing.
    init(_ path: String, create: Bool = false) throws(LayerStoreError) {
        let flags = create ? O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC : O_RDONLY | O_CLOEXEC
        var fd: CInt
        repeat { fd = open(path, flags, 0o600) } while fd < 0 && errno == EINTR
        guard fd >= 0 else { throw .system(call: "open", path: path, errno: errno) }
        self.path = path
        descriptor = fd
    }

    deinit { close(descriptor) }

    var length: UInt64 {
        get throws(LayerStoreError) {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw .system(call: "fstat", path: path, errno: errno) }
            return UInt64(status.st_size)
        }
    }

    /// Nil if the file ends before.
    func read(at offset: UInt64, count: Int) throws(LayerStoreError) -> ByteBuffer? {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(count)
        var failure: CInt = 0
        var got = 0
        while got < count {
            let wanted = count - got
            let n = buffer.withUnsafeMutableWritableBytes { space in
                pread(descriptor, space.baseAddress, wanted, off_t(offset) + off_t(got))
            }
            if n < 0 {
                if errno == EINTR { continue }
                failure = errno
                break
            }
            if n == 0 { return nil }
            buffer.moveWriterIndex(forwardBy: n)
            got += n
        }
        guard failure == 0 else { throw .system(call: "read", path: path, errno: failure) }
        return buffer
    }

    func write(_ bytes: ByteBuffer, at offset: UInt64) throws(LayerStoreError) {
        let failure = bytes.withUnsafeReadableBytes { raw -> CInt in
            var done = 0
            while done < raw.count {
                let n = pwrite(descriptor, raw.baseAddress! + done, raw.count - done, off_t(offset) + off_t(done))
                if n < 0 {
                    if errno == EINTR { continue }
                    return errno
                }
                if n == 0 { return EIO }
                done += n
            }
            return 0
        }
        guard failure == 0 else { throw .system(call: "write", path: path, errno: failure) }
    }

    func sync() throws(LayerStoreError) {
        guard fdatasync(descriptor) == 0 else { throw .system(call: "fdatasync", path: path, errno: errno) }
    }

    /// The page cache need not keep the file.
    func forgetPages() { _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) }
}

/// A segment's directory.
struct StoreDirectory: Sendable {
    let path: String

    /// Creates it if there is none.
    init(_ path: String) throws(LayerStoreError) {
        self.path = path
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw .system(call: "mkdir", path: path, errno: errno) }
    }

    func file(_ name: String) -> String { path + "/" + name }

    func names() throws(LayerStoreError) -> [String] {
        guard let handle = opendir(path) else { throw .system(call: "opendir", path: path, errno: errno) }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    func exists(_ name: String) -> Bool { access(file(name), F_OK) == 0 }

    func rename(_ from: String, to: String) throws(LayerStoreError) {
        guard Glibc.rename(file(from), file(to)) == 0 else {
            throw .system(call: "rename", path: file(from), errno: errno)
        }
    }

    /// A file that is not there is no error; one that stays is removed at the next open.
    func remove(_ name: String) { _ = unlink(file(name)) }

    func sync() throws(LayerStoreError) {
        let fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard fd >= 0 else { throw .system(call: "open", path: path, errno: errno) }
        defer { close(fd) }
        guard fsync(fd) == 0 else { throw .system(call: "fsync", path: path, errno: errno) }
    }
}
