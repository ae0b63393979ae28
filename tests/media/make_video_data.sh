#!/usr/bin/env bash
# Writes tests/media/video_data with ffmpeg 5.1. Frame n of each video spells n: column b of eight
# is white where bit b of n is set; the upper half is darker, so that up and down can be told.
set -euo pipefail
cd "$(dirname "$0")/video_data"
count() {  # count RATE SECONDS OUTPUT-OPTIONS…
  local bits="bitand(N\,pow(2\,floor(X/8)))" source
  source="nullsrc=s=64x48:r=$1:d=$2,geq=lum=if($bits\,if(lt(Y\,24)\,160\,235)\,16):cb=128:cr=128,format=yuv420p"
  ffmpeg -v error -y -f lavfi -i "$source" "${@:3}"
}
exact=(-fflags +bitexact -flags:v +bitexact -map_metadata -1)
x264=(-c:v libx264 -crf 30 -threads 1)
count 10 6 "${x264[@]}" -x264-params "keyint=20:bframes=3:open-gop=1" "${exact[@]}" open_gop.mkv
count 10 6 "${x264[@]}" -x264-params "keyint=20:bframes=3" -movflags +faststart "${exact[@]}" closed_gop.mp4
count 25 3 -c:v mpeg2video -g 12 -bf 2 -q:v 8 "${exact[@]}" broadcast.ts
count 10 3 -c:v libvpx -b:v 40k -auto-alt-ref 1 -lag-in-frames 16 "${exact[@]}" vp8.webm
count 10 3 -c:v mpeg4 -bf 2 -q:v 12 "${exact[@]}" mpeg4.avi
count 10 2 -c:v gif "${exact[@]}" animated.gif
count 10 2 "${x264[@]}" -f h264 "${exact[@]}" raw.h264
for degrees in 90 180 270; do
  ffmpeg -v error -y -display_rotation "$degrees" -i closed_gop.mp4 -c copy "${exact[@]}" -t 1 "turned_$degrees.mp4" 2>/dev/null ||
    ffmpeg -v error -y -i closed_gop.mp4 -c copy -metadata:s:v:0 "rotate=$degrees" "${exact[@]}" -t 1 "turned_$degrees.mp4"
done
ffmpeg -v error -y -f lavfi -i "testsrc=s=64x48:r=10:d=0.5" -c:v libx264 -threads 1 -colorspace bt709 -color_range tv -pix_fmt yuv420p \
  "${exact[@]}" bt709.mp4
ffmpeg -v error -y -f lavfi -i "testsrc=s=31x27:r=10:d=0.3" -c:v libx264 -threads 1 -pix_fmt yuv444p "${exact[@]}" odd_444.mp4
