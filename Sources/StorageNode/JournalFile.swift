// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import NIOCore

/// An open journal file, written past the page cache: what is appended is on the device when the call returns.
///
/// An append is copied into an aligned buffer and goes out in one `O_DIRECT | O_DSYNC` write, which the kernel turns into one
/// forced-unit-access command where the device has it: half the commands and two thirds of the processor time of a buffered write
/// and an `fdatasync`, and no dirty pages that some later flush would have to wait for. An append that is longer than the
/// buffer goes out in pieces and is flushed at its end. On a file system without direct I/O the same calls go through the
/// page cache.
///
/// Not thread-safe.
final class JournalFile {
    /// Appends begin at multiples of this; no device or file system asks for more.
    static let alignment = 4096
    private static let stageBytes = 1 << 20

    private let synchronous: Int32
    private let plain: Int32
    private let stage: UnsafeMutableRawPointer
    private var staged = 0
    /// Where the staged bytes belong.
    private var offset = 0
    private var isWritten = false
    private var failure: Int32 = 0

    /// Opens a file that exists and has its full length.
    init(_ path: String) throws(StorageFailure) {
        synchronous = bx_open_direct(path, O_WRONLY | O_DSYNC | O_CLOEXEC)
        plain = bx_open_direct(path, O_WRONLY | O_CLOEXEC)
        guard synchronous >= 0, plain >= 0, let space = aligned_alloc(Self.alignment, Self.stageBytes) else {
            let reason = errno
            if synchronous >= 0 { close(synchronous) }
            if plain >= 0 { close(plain) }
            throw StorageFailure("open a journal file", path: path, errno: reason)
        }
        stage = space
    }

    deinit {
        close(synchronous)
        close(plain)
        free(stage)
    }

    // MARK: One append

    /// Begins an append at `offset`, a multiple of `alignment`.
    func begin(at offset: Int) {
        precondition(offset % Self.alignment == 0)
        self.offset = offset
        staged = 0
        isWritten = false
        failure = 0
    }

    func add(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while rest.count > 0, let base = rest.baseAddress {
            let count = min(rest.count, Self.stageBytes - staged)
            memcpy(stage + staged, base, count)
            staged += count
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            if staged == Self.stageBytes { writeOut(plain) }
        }
    }

    func add(_ buffer: ByteBuffer) { buffer.withUnsafeReadableBytes { add($0) } }

    func addZeros(_ count: Int) {
        var left = count
        while left > 0 {
            let count = min(left, Self.stageBytes - staged)
            memset(stage + staged, 0, count)
            staged += count
            left -= count
            if staged == Self.stageBytes { writeOut(plain) }
        }
    }

    /// Ends the append and makes it durable.
    /// - Returns: 0, or the error number; then nothing of the append counts
    func finish() -> Int32 {
        addZeros((Self.alignment - staged % Self.alignment) % Self.alignment)
        if isWritten {
            writeOut(plain)
            if failure == 0, fdatasync(plain) != 0 { failure = errno }
        } else {
            writeOut(synchronous)
        }
        return failure
    }

    private func writeOut(_ descriptor: Int32) {
        var done = 0
        while done < staged, failure == 0 {
            let wrote = pwrite(descriptor, stage + done, staged - done, off_t(offset + done))
            if wrote > 0 {
                done += wrote
            } else if wrote == 0 {
                failure = EIO
            } else if errno != EINTR {
                failure = errno
            }
        }
        offset += staged
        staged = 0
        isWritten = true
    }
}
