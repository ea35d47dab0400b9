// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation

/// A short run of another program.
struct ProgramRun {
    private let program: String
    private let arguments: [String]
    private let environment: [String: String]
    private let input: String

    init(_ program: String, arguments: [String], environment: [String: String] = [:], input: String = "") {
        self.program = program
        self.arguments = arguments
        self.environment = environment
        self.input = input
    }

    /// What it printed. Throws what it complained about when its exit code is not 0. Blocks.
    func text() throws -> String {
        let process = Process()
        let (output, errors, standardInput) = (Pipe(), Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = ["PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"].merging(environment) { $1 }
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = standardInput
        do { try process.run() } catch {
            throw ControlError("cannot run \(program): \(error)", remedy: "install it again")
        }
        let complaints = Collected()
        Thread.detachNewThread { complaints.finish(errors.fileHandleForReading.readDataToEndOfFile()) }
        try? standardInput.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try? standardInput.fileHandleForWriting.close()
        let printed = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let complaint = complaints.wait()
        guard process.terminationStatus == 0 else {
            let line = String(decoding: complaint, as: UTF8.self).split(separator: "\n").last.map(String.init)
            throw ControlError(line ?? "\(program) failed", remedy: "see the engine's log")
        }
        return String(decoding: printed, as: UTF8.self)
    }

    private final class Collected: @unchecked Sendable {  // Written before the semaphore's signal, read after its wait.
        private var data = Data()
        private let done = DispatchSemaphore(value: 0)
        func finish(_ data: Data) {
            self.data = data
            done.signal()
        }
        func wait() -> Data {
            done.wait()
            return data
        }
    }
}
