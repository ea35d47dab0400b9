// SPDX-License-Identifier: Apache-2.0

import ControlPlane
import Testing

@Suite struct ParameterFormulaTests {
    private let variables = ParameterFormula.Variables(memoryBytes: 16 << 30, processors: 2, port: 5432)

    @Test(arguments: [
        ("{DBInstanceClassMemory/9531392}", 1802), ("LEAST({DBInstanceClassMemory/9531392},5000)", 1802),
        ("GREATEST(1, 2 , {EndPointPort})", 5432), ("SUM({DBInstanceClassMemory/12038},-50003)", 1_377_133),
        ("{DBInstanceClassMemory*3/4}", 12_884_901_888), ("IF({AllocatedStorage},7,8)", 7), ("IF(0,7,8)", 8),
        ("log(1024)", 10),
        ("GREATEST({log(DBInstanceClassMemory/805306368,2)*45},{log(DBInstanceClassMemory/8187281408,2)*1000})", 1069),
        ("{DBInstanceVCPU*4}", 8),
    ])
    func `formulas have the value of the instance's class`(text: String, value: Int) throws {
        #expect(ParameterFormula.isFormula(text))
        #expect(try #require(ParameterFormula(text)).value(variables) == value)
    }

    @Test(arguments: ["", "{", "{}", "LEAST(", "LEAST()", "LEAST(1,)", "{1", "1}", "{1+2}", "{1 2}", "x(1)(2)"])
    func `what is no formula is refused`(text: String) { #expect(ParameterFormula(text) == nil) }

    @Test(arguments: [
        "{1/0}", "{Nothing}", "PLUS(1,2)", "IF(1,2)", "log(0)", "{AllocatedStorage*AllocatedStorage*AllocatedStorage}",
    ])
    func `what has no value has none`(text: String) throws {
        #expect(try #require(ParameterFormula(text)).value(variables) == nil)
    }

    @Test func `depth has a limit`() {
        #expect(ParameterFormula(String(repeating: "{", count: 100_000)) == nil)
    }

    @Test func `plain text is no formula`() {
        for text in ["5000", "on", "a,b", "8MB", ""] { #expect(!ParameterFormula.isFormula(text)) }
    }
}
