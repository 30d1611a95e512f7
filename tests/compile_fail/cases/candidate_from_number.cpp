// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: conversion from .* to .*candidate
//
// A worker id does not turn into a candidate by itself.

#include <cohort/candidate.hpp>

#ifdef MUST_FAIL
cohort::candidate made = cohort::worker_id(1);
#else
cohort::candidate made = cohort::candidate(cohort::worker_id(1));
#endif
