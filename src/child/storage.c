/* CHILD: The storage that storage.h declares. */
#include "child/storage.h"

#include "base/sections.h"

FC_LARGE_STORAGE _Alignas(max_align_t) unsigned char fc_alternate_stack[FC_ALTERNATE_STACK];
FC_LARGE_STORAGE _Alignas(max_align_t) unsigned char fc_request_bytes[FC_REQUEST_REMAINING_MAX];
FC_LARGE_STORAGE char fc_message[FC_MESSAGE_MAX];
FC_LARGE_STORAGE struct fc_last_report fc_last_reports[2];
FC_LARGE_STORAGE struct fc_module_range fc_module_ranges[FC_MODULE_RANGES_MAX];
FC_LARGE_STORAGE struct fc_mapped_file fc_mapped_files[FC_MAPPED_FILES_MAX];
FC_LARGE_STORAGE char fc_line[FC_LINE_MAX];
