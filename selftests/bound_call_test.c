// SPDX-License-Identifier: GPL-2.0-or-later
/* The promises of call_test.c, through descriptors that are bound. */
#include "bound.h"
#include "call_test.c"
