/* How do I get large results again and again without copying them? The children draw into memory
 * that the caller keeps. */
#include <forkcall.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define WIDTH 1280U
#define HEIGHT 720U
#define FRAME_SIZE ((size_t)WIDTH * HEIGHT * sizeof(uint32_t))

static uint32_t pixel(unsigned frame, unsigned x, unsigned y)
{
    return (x ^ y) * (frame + 1);
}

/* Runs in a child. forkcall_buf_extend gives the caller's own memory, so the loop fills it. */
static int draw(const void *args, size_t args_size, struct forkcall_buf *result)
{
    const unsigned frame = *(const unsigned *)args;
    (void)args_size;
    if (frame == 2)
        abort(); /* one frame that crashes the drawing */
    uint32_t *pixels = forkcall_buf_extend(result, FRAME_SIZE);
    if (pixels == NULL)
        return forkcall_fail(1, "the frame does not fit");
    for (unsigned y = 0; y < HEIGHT; y++)
        for (unsigned x = 0; x < WIDTH; x++)
            pixels[y * WIDTH + x] = pixel(frame, x, y);
    return 0;
}

static int is_right(const struct forkcall_buf *result, unsigned frame)
{
    const uint32_t *pixels = result->data;
    if (result->size != FRAME_SIZE)
        return 0;
    for (unsigned y = 0; y < HEIGHT; y++)
        for (unsigned x = 0; x < WIDTH; x++)
            if (pixels[y * WIDTH + x] != pixel(frame, x, y))
                return 0;
    return 1;
}

int main(void)
{
    forkcall_init();
    /* For all frames. After the first ones no page is made and nothing is copied. */
    struct forkcall_buf result = forkcall_buf_shared(FRAME_SIZE);
    int wrong = 0;
    for (unsigned frame = 0; frame < 5; frame++) {
        const struct forkcall_report report = forkcall_run(draw, &frame, sizeof frame, &result, NULL);
        if (report.status == FORKCALL_OK)
            printf("frame %u: %zu bytes\n", frame, result.size);
        else
            printf("frame %u: %s\n", frame, report.message);
        if (frame == 2 ? report.status != FORKCALL_SIGNALED || result.size != 0 : !is_right(&result, frame))
            wrong = 1;
    }
    forkcall_buf_free(&result);
    return wrong;
}
