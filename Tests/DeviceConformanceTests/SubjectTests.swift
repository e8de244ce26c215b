import TesseraCompute
import TestSupport
import Testing

@Suite("Subjects")
struct SubjectTests {
  @Test("every subject's device can be made", arguments: Subject.present)
  func canBeMade(_ subject: Subject) throws {
    let device = try subject.device
    #expect(!device.info.identifier.isEmpty && !device.info.name.isEmpty)
    #expect(device.info.memoryBytes > 0 && device.info.maxAllocationBytes > 0)
    #expect(device.info.computeUnits > 0)
  }

  @Test("the reference device is always there, and names are unique")
  func names() {
    #expect(
      Subject.present.contains { $0.description == "reference" } || Subject.wanted != nil)
    #expect(Set(Subject.all.map(\.description)).count == Subject.all.count)
  }

  @Test(
    "a subject that is not on this machine",
    .enabled(if: Subject.absent.isEmpty, Comment(rawValue: absences)))
  func absent() {
    #expect(Subject.present.count == Subject.all.count)
  }

  private static var absences: String {
    Subject.absent.map { "\($0): \($0.absence ?? "")" }.joined(separator: "; ")
  }
}
