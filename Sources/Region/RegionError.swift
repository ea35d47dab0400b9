// SPDX-License-Identifier: Apache-2.0

/// A problem that an operator can do something about: one line, with what to do.
package struct RegionError: Error, CustomStringConvertible, Equatable {
    package var problem: String
    package var remedy: String

    package init(_ problem: String, remedy: String) {
        self.problem = problem
        self.remedy = remedy
    }

    package var description: String { "\(problem) (\(remedy))" }
}
