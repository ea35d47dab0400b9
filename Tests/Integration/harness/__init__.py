# SPDX-License-Identifier: Apache-2.0
"""What the tests with real engines share."""
