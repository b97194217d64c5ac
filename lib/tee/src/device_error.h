#pragma once

#include <string_view>

#include "ensconce/tee/error.h"

namespace ensconce::internal {

// may_pass tells an errno after which the same request is worth making again.
bool may_pass(int error);
// is_absent tells one that says that there is no such device.
bool is_absent(int error);
// device_error says what the errno of an operation on a device means.
Error device_error(std::string_view doing, int error);

}  // namespace ensconce::internal
