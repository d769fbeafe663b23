/* GStreamer: the threads of pipelines come from a pool. */
#include "more.h"

#include <gst/gst.h>

#define ANSWER 5

static void count(GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer counted)
{
    (void)sink;
    (void)buffer;
    (void)pad;
    ++*(int *)counted;
}

static int plays(const void *args, size_t args_size, struct forkcall_buf *result)
{
    int counted = 0;
    (void)args;
    (void)args_size;
    gst_init(NULL, NULL);
    GstElement *pipeline = gst_pipeline_new(NULL);
    GstElement *source = gst_element_factory_make("fakesrc", NULL);
    GstElement *sink = gst_element_factory_make("fakesink", NULL);
    if (source == NULL || sink == NULL)
        return forkcall_fail(1, "GStreamer has no fakesrc");
    g_object_set(source, "num-buffers", ANSWER, NULL);
    g_object_set(sink, "signal-handoffs", TRUE, NULL);
    g_signal_connect(sink, "handoff", G_CALLBACK(count), &counted);
    gst_bin_add_many(GST_BIN(pipeline), source, sink, NULL);
    gst_element_link(source, sink);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstBus *bus = gst_element_get_bus(pipeline);
    GstMessage *end = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    gst_message_unref(end);
    gst_object_unref(bus);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    return forkcall_buf_append(result, &counted, sizeof counted);
}

const struct unsafe_library the_library = {
    .name = "GStreamer",
    .use = plays,
    .answer = ANSWER,
    .has_threads = true,
    .status = FORKCALL_TIMED_OUT,
};
