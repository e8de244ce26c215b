// A file that wants the name of devices imports it, and nothing else.
import Tessera

import protocol TesseraCompute.Device

func identifier(of device: any Device) -> String { device.info.identifier }
