/* libavcodec: a codec that is open has threads, each for a slice of a picture. */
#include "more.h"

#include <libavcodec/avcodec.h>
#include <string.h>

#define SIDE 64
#define ANSWER 1

static AVCodecContext *open_codec(void)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MPEG2VIDEO);
    AVCodecContext *open = avcodec_alloc_context3(codec);
    open->width = open->height = SIDE;
    open->pix_fmt = AV_PIX_FMT_YUV420P;
    open->time_base = (AVRational){1, 25};
    open->thread_count = 2;
    open->thread_type = FF_THREAD_SLICE;
    return avcodec_open2(open, codec, NULL) == 0 ? open : NULL;
}

static int encodes(const void *args, size_t args_size, struct forkcall_buf *result)
{
    static AVCodecContext *codec;
    static int64_t time;
    int packets = 0;
    (void)args;
    (void)args_size;
    if (codec == NULL)
        codec = open_codec();
    if (codec == NULL)
        return forkcall_fail(1, "no codec");
    AVFrame *frame = av_frame_alloc();
    AVPacket *packet = av_packet_alloc();
    frame->width = frame->height = SIDE;
    frame->format = AV_PIX_FMT_YUV420P;
    av_frame_get_buffer(frame, 0);
    for (int i = 0; i < 3; i++)
        memset(frame->data[i], 100, (size_t)frame->linesize[i] * (i == 0 ? SIDE : SIDE / 2));
    for (int i = 0; i < 20 && packets == 0; i++) {
        frame->pts = time++;
        avcodec_send_frame(codec, frame);
        packets = avcodec_receive_packet(codec, packet) == 0;
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    av_frame_free(&frame);
    return forkcall_buf_append(result, &packets, sizeof packets);
}

const struct unsafe_library the_library = {
    .name = "libavcodec with threads",
    .use = encodes,
    .answer = ANSWER,
    .has_threads = true,
    .status = FORKCALL_TIMED_OUT,
};
